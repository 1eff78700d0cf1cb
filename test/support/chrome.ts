import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { type Browser, chromium, type Page } from 'playwright-core';
import { chromiumArchives, unpackOnce } from '../../src/gpu/software-vulkan.js';
import { type FileServer, type Mounts, serveFiles } from './file-server.js';

/** What a headless Chrome needs to offer WebGPU, and to leave the network alone. */
const flags = [
  '--headless',
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan',
  '--disable-background-networking',
  '--disable-sync',
  '--disable-component-update',
  '--no-first-run',
];

/** The adapter that runs on the CPU; without it Chrome picks the machine's GPU. */
const softwareFlag = '--use-webgpu-adapter=swiftshader';

/** Where a Chrome to test with was found. */
interface Found {
  readonly executablePath?: string;
  /** An installed Chrome or Edge, which playwright finds. */
  readonly channel?: string;
  readonly args: readonly string[];
  readonly env?: Record<string, string>;
}

/**
 * Why no browser test can run on this machine, or undefined where one can. Set `CHROME_PATH` to name a Chrome; on Linux x64 the Chromium of
 * `@sparticuz/chromium` needs nothing installed; elsewhere an installed Chrome or Edge is used.
 */
export const noChrome: string | undefined = reasonForNoChrome();

function reasonForNoChrome(): string | undefined {
  const named = process.env.CHROME_PATH;
  if (named)
    return existsSync(named) ? undefined : `CHROME_PATH names ${named}, which is not there`;
  if (hasArchive()) return undefined;
  return installedChannel() ? undefined : 'there is no Chrome: install one, or set CHROME_PATH';
}

function hasArchive(): boolean {
  return process.platform === 'linux' && process.arch === 'x64' && chromiumArchives() !== undefined;
}

function installedChannel(): string | undefined {
  const programs = ['PROGRAMFILES', 'PROGRAMFILES(X86)', 'LOCALAPPDATA'].flatMap(
    (name) => process.env[name] ?? [],
  );
  const places: Record<string, readonly string[]> = {
    chrome: [
      '/Applications/Google Chrome.app',
      '/opt/google/chrome/chrome',
      ...programs.map((folder) => join(folder, 'Google', 'Chrome', 'Application', 'chrome.exe')),
    ],
    msedge: [
      '/Applications/Microsoft Edge.app',
      '/opt/microsoft/msedge/msedge',
      ...programs.map((folder) => join(folder, 'Microsoft', 'Edge', 'Application', 'msedge.exe')),
    ],
  };
  return Object.keys(places).find((channel) => places[channel].some(existsSync));
}

async function findChrome(): Promise<Found> {
  if (noChrome) throw new Error(`startChrome: ${noChrome}`);
  const args = process.env.CHROME_ADAPTER === 'gpu' ? flags : [...flags, softwareFlag];
  if (process.env.CHROME_PATH) return { executablePath: process.env.CHROME_PATH, args };
  if (!hasArchive()) return { channel: installedChannel(), args: flags };
  const folder = await unpackChromium();
  return {
    executablePath: join(folder, 'chromium'),
    args,
    env: {
      ...(process.env as Record<string, string>),
      // NSS and expat, which a bare machine lacks. The archive's own everywhere, so that all machines run the same.
      LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'),
      FONTCONFIG_PATH: join(folder, 'fonts'),
    },
  };
}

/** Unpacks the browser, its graphics libraries, NSS and a font once per version into the user's cache folder. */
function unpackChromium(): Promise<string> {
  const { folder, version } = chromiumArchives()!;
  return unpackOnce(`chromium-${version}`, async (target) => {
    const { extract } = await import('tar-fs');
    const decompressed = (name: string, sink: NodeJS.WritableStream) =>
      pipeline(createReadStream(join(folder, name)), createBrotliDecompress(), sink);
    // Chrome looks for libEGL, libGLESv2 and SwiftShader beside its executable.
    await decompressed('chromium.br', createWriteStream(join(target, 'chromium')));
    await decompressed('swiftshader.tar.br', extract(target));
    await decompressed('al2023.tar.br', extract(join(target, 'al2023')));
    await decompressed('fonts.tar.br', extract(join(target, 'fonts')));
    await chmod(join(target, 'chromium'), 0o755);
    await mkdir(join(target, 'fonts'), { recursive: true });
    await writeFile(join(target, 'fonts', 'fonts.conf'), fontsConf);
  });
}

const fontsConf = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;

/** A running browser with one page, and the server the page came from. */
export interface Chrome {
  readonly browser: Browser;
  readonly page: Page;
  readonly server: FileServer;
  /** Uncaught errors and `console.error` lines of the page so far. */
  readonly problems: readonly string[];
  /** Ends the browser and the server. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts a headless Chrome on a page of its own server.
 *
 * @param mounts what the server offers; `/` must be an HTML page
 * @throws Error if there is no Chrome or it does not start; then nothing is left running.
 */
export async function startChrome(mounts: Mounts): Promise<Chrome> {
  const found = await findChrome();
  const server = await serveFiles(mounts);
  let browser: Browser | undefined;
  try {
    browser = await chromium.launch({ ...found, args: [...found.args], headless: true });
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('console', (line) => {
      if (line.type() === 'error') problems.push(line.text());
    });
    await page.goto(server.origin);
    const running = browser;
    return {
      browser,
      page,
      server,
      problems,
      close: async () => {
        await running.close();
        await server.close();
      },
    };
  } catch (error) {
    await browser?.close();
    await server.close();
    throw error;
  }
}
