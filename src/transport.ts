import type {
  CopyOptions,
  DeletedImage,
  DeleteOptions,
  HostOptions,
  IndexOptions,
  InspectOptions,
  MovedImage,
  PullOptions,
  PushOptions,
  RemoteDocuments,
  RepositoryOptions,
} from './transport/options.js';

/*
 * What moves images about, for the command line and the library. Each loads what it needs when it is called: a program that only builds loads none
 * of it.
 */

/**
 * Brings images of registries into the store. Of an index, the image for this machine, unless options say otherwise.
 * @returns an entry for each reference
 * @throws BuildError
 */
export async function pull(options: PullOptions): Promise<readonly MovedImage[]> {
  return (await import('./transport/pull-images.js')).pullImages(options);
}

/**
 * Pushes images of the store to a registry.
 * @returns an entry for each name; several with `allTags` only
 * @throws BuildError
 */
export async function push(options: PushOptions): Promise<readonly MovedImage[]> {
  return (await import('./transport/push-images.js')).pushImages(options);
}

/**
 * Copies an image or index between registries, layouts, archives and the store.
 * @throws BuildError
 */
export async function copy(options: CopyOptions): Promise<MovedImage> {
  return (await import('./transport/copy-image.js')).copyImage(options);
}

/**
 * The tags of a repository, in the order in which the registry tells them.
 * @throws BuildError
 */
export async function* listTags(options: RepositoryOptions): AsyncGenerator<string, void, void> {
  yield* (await import('./transport/registry-lists.js')).listTags(options);
}

/**
 * The repositories of a registry that tells them.
 * @throws BuildError
 */
export async function* listRepositories(options: HostOptions): AsyncGenerator<string, void, void> {
  yield* (await import('./transport/registry-lists.js')).listRepositories(options);
}

/**
 * Deletes images of registries by their digests.
 * @throws BuildError
 */
export async function deleteImages(options: DeleteOptions): Promise<readonly DeletedImage[]> {
  return (await import('./transport/registry-lists.js')).deleteImages(options);
}

/**
 * Makes an index of images in registries.
 * @returns an entry for each name
 * @throws BuildError
 */
export async function createIndex(options: IndexOptions): Promise<readonly MovedImage[]> {
  return (await import('./transport/create-index.js')).createIndex(options);
}

/**
 * The documents of an image in a registry.
 * @throws BuildError
 */
export async function inspectRemote(options: InspectOptions): Promise<RemoteDocuments> {
  return (await import('./transport/registry-lists.js')).inspectRemote(options);
}
