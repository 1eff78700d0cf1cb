import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { startChrome } from '../test/support/chrome.js';
import type { Host } from './bench.js';
import { command } from './command.js';
import type { Ran } from './runtime.js';

/** `npm run bench:chrome`: the same cases in a headless Chrome. `script` is page.ts as one module. @returns the exit code. */
export const main = (root: string, args: readonly string[], script: string): Promise<number> =>
  command(root, args, {
    name: 'chrome',
    run: (selection, host) =>
      onPage(root, script, host, (page) =>
        page.evaluate((chosen) => globalThis.benchRun(chosen), selection),
      ),
    scoreCam: (settings, host) =>
      onPage(root, script, host, (page) =>
        page.evaluate((chosen) => globalThis.benchScoreCam(chosen), settings),
      ),
  });

async function onPage<Result>(
  root: string,
  script: string,
  host: Host,
  work: (page: Page) => Promise<Result>,
): Promise<Ran<Result>> {
  const chrome = await startChrome({
    '/': { content: '<!doctype html><script type="module" src="/page.js"></script>' },
    '/page.js': { content: script },
    '/models/': join(root, 'models'),
    '/favicon.ico': { content: '' },
  });
  try {
    const { page, browser } = chrome;
    await page.exposeFunction('benchSay', host.say);
    await page.exposeFunction('benchProgress', host.progress);
    await page.waitForFunction(() => 'benchRun' in globalThis);
    await page.evaluate(() => {
      const given = globalThis as unknown as Record<string, (line: string) => Promise<void>>;
      globalThis.benchHost = { say: given.benchSay, progress: given.benchProgress };
    });
    const result = await work(page);
    const version = browser.version();
    return {
      result,
      runtime: `chrome ${version}`,
      versions: { chrome: version, platform: `${process.platform} ${process.arch}` },
    };
  } finally {
    await chrome.close();
  }
}
