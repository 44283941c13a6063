// The parts of undici that src/registry/undici.ts names, bundled in place of the whole: fetch, caches, mocks and web sockets take 50 ms to load.
import request from 'undici/lib/api/api-request.js';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';

Object.assign(Dispatcher.prototype, { request });

export { default as Pool } from 'undici/lib/dispatcher/pool.js';
