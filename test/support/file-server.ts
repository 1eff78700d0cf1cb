import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize, sep } from 'node:path';

/** What is served: a path that ends in `/` names a folder, any other a file's content. */
export type Mounts = Readonly<Record<string, string | { content: string | Uint8Array }>>;

export interface FileServer {
  /** `http://127.0.0.1:port`, without a slash at the end. */
  readonly origin: string;
  close(): Promise<void>;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** Serves folders and contents on this machine only, at a free port (or `port`). Files outside the folders are never sent. */
export async function serveFiles(mounts: Mounts, port = 0): Promise<FileServer> {
  const folders = Object.keys(mounts)
    .filter((path) => typeof mounts[path] === 'string')
    .sort((a, b) => b.length - a.length);
  const server = createServer(async (request, response) => {
    const end = (status: number, text: string) => {
      response.writeHead(status, { 'content-type': 'text/plain' });
      response.end(text);
    };
    try {
      if (request.method !== 'GET' && request.method !== 'HEAD') return end(405, 'only GET');
      const path = decodeURIComponent((request.url ?? '/').split(/[?#]/)[0]);
      const headers: Record<string, string | number> = {
        'content-type':
          types[path === '/' ? '.html' : extname(path).toLowerCase()] ?? 'application/octet-stream',
        'cache-control': 'no-store',
        // A page that is isolated from others gets finer clocks.
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      };
      const mount = mounts[path];
      if (mount && typeof mount !== 'string') {
        response.writeHead(200, headers);
        response.end(request.method === 'HEAD' ? undefined : mount.content);
        return;
      }
      const prefix = folders.find((folder) => path.startsWith(folder));
      if (prefix === undefined) return end(404, 'not found');
      const rest = path.slice(prefix.length);
      const folder = normalize(`${mounts[prefix] as string}${sep}`);
      const file = join(folder, rest);
      if (rest.includes('\0') || !file.startsWith(folder)) return end(403, 'outside the folder');
      const found = await stat(file).catch(() => undefined);
      if (!found?.isFile()) return end(404, 'not found');
      response.writeHead(200, { ...headers, 'content-length': found.size });
      if (request.method === 'HEAD') return void response.end();
      createReadStream(file)
        .on('error', () => response.destroy())
        .pipe(response);
    } catch {
      end(400, 'bad request');
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
