import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { finished, startTsbuild } from './cli.js';
import { Container } from './container.js';
import { addBusybox, addPrograms } from './image-tools.js';
import { Workshop } from './workshop.js';

const PROJECTS = fileURLToPath(new URL('../real/', import.meta.url));

/** The images that the projects stand on: their names, and the stage of `bases/Dockerfile` that makes them. */
const BASES = {
  'alpine:3.20': 'system',
  'node:20-alpine': 'node',
  'nginx:1.27-alpine': 'nginx',
  'golang:1.22-alpine': 'golang',
  'python:3.12-slim': 'python',
  'quay.example/notebooks/python:3.12-slim': 'python',
  'python:3.12-onbuild': 'python-onbuild',
  'eclipse-temurin:21-jdk': 'jdk',
  'eclipse-temurin:21-jre': 'jdk',
  'maven:3.9-eclipse-temurin-21': 'maven',
  'gradle:8.7-jdk21': 'gradle',
  'php:8.3-fpm-alpine': 'php',
  'composer:2': 'composer',
  'registry.example/library/ruby:3.3.1-slim': 'ruby',
  'rust:1.78-alpine': 'rust',
  'dotnet/sdk:8.0': 'dotnet-sdk',
  'dotnet/sdk:8.0-alpine': 'dotnet-sdk',
  'dotnet/aspnet:8.0-alpine': 'dotnet-aspnet',
  'tools/ssh:1': 'ssh',
} as const;

export type BaseName = keyof typeof BASES;

/** Those that a base stands on itself, or copies from. */
const BASES_OF_BASES: Readonly<Partial<Record<BaseName, readonly BaseName[]>>> = {
  'alpine:3.20': [],
  'python:3.12-onbuild': ['python:3.12-slim'],
  'maven:3.9-eclipse-temurin-21': ['eclipse-temurin:21-jdk'],
  'gradle:8.7-jdk21': ['eclipse-temurin:21-jdk'],
  'dotnet/aspnet:8.0-alpine': ['dotnet/sdk:8.0'],
};

export interface ProjectBuild {
  /** The directory of the project in `test/real`. */
  readonly project: string;
  readonly bases: readonly BaseName[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Adds to the copy of the project what the repository does not hold. */
  readonly prepare?: (context: string) => unknown;
}

export interface ProjectResult {
  readonly said: string;
  /** An OCI layout, in which the image has the tag `1`. */
  readonly layout: string;
}

/** Builds the projects of `test/real`, each with a copy of its directory as the context, on bases of one store. */
export class ProjectYard implements Disposable {
  readonly shop = new Workshop();
  readonly #made = new Set<BaseName>();
  #context: string | undefined;
  #count = 0;

  /** What the build said, and the image as a container. @throws Error when the build fails */
  async build(request: ProjectBuild): Promise<ProjectResult & { readonly image: Container }> {
    const result = await this.buildLayout(request);
    return { ...result, image: new Container(result.layout, '1', `${result.layout}-bundle`) };
  }

  /** The same, of whatever the build makes. */
  async buildLayout({ project, bases, args = [], env = {}, prepare }: ProjectBuild): Promise<ProjectResult> {
    for (const name of bases) await this.#makeBase(name);
    const place = this.shop.at(`${project}-${this.#count++}`);
    const context = join(place, 'context');
    cpSync(join(PROJECTS, project), context, { recursive: true, verbatimSymlinks: true });
    prepare?.(context);
    const layout = join(place, 'layout');
    return { layout, said: await this.tsbuild(['--oci-layout', `${layout}:1`, ...args, context], env) };
  }

  /** @returns what it said to standard error */
  async tsbuild(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const child = startTsbuild(['build', '--progress', 'plain', ...args], { env: { TSBUILD_ROOT: this.shop.store, ...env } });
    const { status, stderr } = await finished(child);
    if (status !== 0) throw new Error(`tsbuild ${args.join(' ')}: status ${status}\n${stderr}`);
    return stderr;
  }

  async #makeBase(name: BaseName): Promise<void> {
    if (this.#made.has(name)) return;
    for (const below of BASES_OF_BASES[name] ?? ['alpine:3.20']) await this.#makeBase(below);
    await this.tsbuild(['-t', name, '--target', BASES[name], this.#basesContext()]);
    this.#made.add(name);
  }

  #basesContext(): string {
    if (this.#context === undefined) {
      this.#context = this.shop.at('bases');
      mkdirSync(this.shop.dir, { recursive: true });
      cpSync(join(PROJECTS, 'bases'), this.#context, { recursive: true, verbatimSymlinks: true });
      addBusybox(this.#context);
      addPrograms(this.#context, ['ssh-add']);
    }
    return this.#context;
  }

  [Symbol.dispose](): void {
    this.shop[Symbol.dispose]();
  }
}
