import { expect, test } from 'vitest';
import { bundleForBrowser } from '../browser/bundle.js';
import { noChrome, startChrome } from '../support/chrome.js';
import type { tunePage as TunePage } from '../support/tune-page.js';

declare const tunePage: typeof TunePage;

test.skipIf(noChrome && !process.env.CI)(
  `a page remembers what it timed when it is loaded again${noChrome ? ` (${noChrome})` : ''}`,
  async () => {
    const chrome = await startChrome({
      '/': { content: '<!doctype html><script type="module" src="/page.js"></script>' },
      '/page.js': { content: await bundleForBrowser('test/support/tune-page.ts') },
      '/favicon.ico': { content: '' },
    });
    try {
      const run = async () => {
        await chrome.page.waitForFunction(() => 'tunePage' in globalThis);
        return chrome.page.evaluate(() => tunePage.run());
      };
      expect(await run()).toEqual({ planned: 'slow', ran: 'unpaid', timed: 1 });
      await chrome.page.reload();
      expect(await run()).toEqual({ planned: 'unpaid', ran: 'unpaid', timed: 0 });
    } finally {
      await chrome.close();
    }
  },
);
