// `npm run page [-- --port N]`: bundles app/ and serves it on this machine only. What is served is the list below; no
// other file can be reached.
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' } } });

async function script() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['app/main.ts'],
    alias: { '#platform': './src/gpu/platform-browser.ts' },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'chrome125',
    loader: { '.wgsl': 'text' },
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return outputFiles[0].contents;
}

const file = (path) => readFile(new URL(`../${path}`, import.meta.url));
const files = new Map([
  ['/', ['text/html; charset=utf-8', await file('app/index.html')]],
  ['/style.css', ['text/css; charset=utf-8', await file('app/style.css')]],
  ['/main.js', ['text/javascript; charset=utf-8', await script()]],
]);
for (const name of (await readdir(new URL('../models', import.meta.url))).sort()) {
  if (!name.endsWith('.safetensors')) continue;
  const path = `models/${name}`;
  files.set(`/${path}`, ['application/octet-stream', await file(path)]);
}

const server = createServer(({ url, method }, response) => {
  const found = files.get((url ?? '/').split('?')[0]);
  const status = method !== 'GET' && method !== 'HEAD' ? 405 : found ? 200 : 404;
  const [type, body] = status === 200 ? found : ['text/plain', 'not found'];
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(method === 'HEAD' ? undefined : body);
});
server.on('error', (error) => {
  process.stderr.write(`page: port ${values.port}: ${error.message}; try --port 0\n`);
  process.exitCode = 1;
});
server.listen(Number(values.port), '127.0.0.1', () => {
  process.stdout.write(
    `The page is at http://localhost:${server.address().port}/ (Ctrl+C ends it)\n`,
  );
});
