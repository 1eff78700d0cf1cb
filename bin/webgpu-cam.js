#!/usr/bin/env node
import { existsSync } from 'node:fs';

const cli = new URL('../dist/cli.js', import.meta.url);
if (existsSync(cli)) {
  await import(cli);
} else {
  process.stderr.write(
    'webgpu-cam: dist/cli.js is missing: run `npm ci` or `npm run build` first\n',
  );
  process.exitCode = 1;
}
