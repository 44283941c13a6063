import { existsSync } from 'node:fs';
import express from 'express';
import { greet } from './greet.mjs';

// The comment that minifying takes away.
const app = express();
app.get('/', (request, response) => {
  response.json({
    greeting: greet(request.query.name),
    uid: process.getuid(),
    cwd: process.cwd(),
    env: process.env.NODE_ENV,
    devDependencies: existsSync('node_modules/terser'),
  });
});
app.listen(Number(process.env.PORT), '127.0.0.1');
