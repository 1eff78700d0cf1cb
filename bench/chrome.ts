import { startChrome } from '../test/support/chrome.js';
import { command } from './command.js';

/** `npm run bench:chrome`: the same cases in a headless Chrome. `script` is page.ts as one module. @returns the exit code. */
export const main = (root: string, args: readonly string[], script: string): Promise<number> =>
  command(root, args, {
    name: 'chrome',
    run: async (selection, host) => {
      const chrome = await startChrome({
        '/': { content: '<!doctype html><script type="module" src="/page.js"></script>' },
        '/page.js': { content: script },
        '/favicon.ico': { content: '' },
      });
      try {
        const { page, browser } = chrome;
        await page.exposeFunction('benchSay', host.say);
        await page.exposeFunction('benchProgress', host.progress);
        await page.waitForFunction(() => 'benchRun' in globalThis);
        const result = await page.evaluate((chosen) => {
          const given = globalThis as unknown as Record<string, (line: string) => Promise<void>>;
          globalThis.benchHost = { say: given.benchSay, progress: given.benchProgress };
          return globalThis.benchRun(chosen);
        }, selection);
        const version = browser.version();
        return {
          result,
          runtime: `chrome ${version}`,
          versions: { chrome: version, platform: `${process.platform} ${process.arch}` },
        };
      } finally {
        await chrome.close();
      }
    },
  });
