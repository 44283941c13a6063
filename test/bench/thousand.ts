import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const STAGES = 10;
const INSTRUCTIONS = 1000;
const FILES = 20;

/** Writes a context whose Dockerfile has a thousand instructions in ten stages, none of them RUN, and nothing that a linter finds. */
export function writeThousand(dir: string): void {
  for (let index = 0; index < FILES; index++) writeFileSync(join(dir, `file${index}.txt`), `file ${index}\n`.repeat(50));
  writeFileSync(join(dir, 'Dockerfile'), `${instructions().join('\n')}\n`);
}

/** Every other stage stands on the one before it; all copy from the one before them, so that none is left out. */
function instructions(): string[] {
  const lines = ['ARG VERSION=1.2.3'];
  for (let stage = 0; stage < STAGES; stage++) {
    const base = stage > 0 && stage % 2 === 0 ? `stage${stage - 1}` : 'scratch';
    lines.push(`FROM ${base} AS stage${stage}`);
    const last = (INSTRUCTIONS / STAGES) * (stage + 1);
    for (let row = 0; lines.length < last; row++) lines.push(instruction(stage, row));
  }
  return lines;
}

function instruction(stage: number, row: number): string {
  const before = row - 1;
  switch (row % 8) {
    case 0:
      return `ARG ARG_${stage}_${row}=release-${row}`;
    case 1:
      return `ENV ENV_${stage}_${row}="value \${ARG_${stage}_${before}} of stage ${stage}" OTHER_${row}=x`;
    case 2:
      return `LABEL org.example.s${stage}.l${row}="\${ENV_${stage}_${before}:-none}"`;
    case 3:
      return `COPY file${row % FILES}.txt /s${stage}/d${row}/`;
    case 4:
      return `WORKDIR /s${stage}/w${row}`;
    case 5:
      return `EXPOSE ${1000 + row}`;
    case 6:
      return stage > 0 ? `COPY --from=stage${stage - 1} /s${stage - 1}/d3/file3.txt /from/${row}` : 'COPY file1.txt file2.txt dir/';
    default:
      return `USER ${1000 + row}`;
  }
}
