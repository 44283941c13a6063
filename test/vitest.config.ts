import { defineConfig } from 'vitest/config';

const root = new URL('..', import.meta.url).pathname;
/** Whole builds in containers: one file at a time, since some of them measure how soon things happen. */
const endToEnd = ['test/e2e/**/*.test.ts', 'test/conformance/**/*.test.ts'];

export default defineConfig({
  test: {
    root,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: endToEnd, sequence: { groupOrder: 1 } },
      },
      {
        extends: true,
        test: { name: 'end-to-end', include: endToEnd, fileParallelism: false, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
