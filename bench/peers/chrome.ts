import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { type Chrome, startChrome } from '../../test/support/chrome.js';
import type { PeerCase } from './cases.js';
import type { PageAnswer, PageRequest } from './page.js';
import type { PeerName } from './peer.js';
import { type CaseResult, oneLine, type PeerResult } from './rounds.js';

/** How cases are run in browsers. */
export interface ChromeSettings extends Omit<PageRequest, 'id'> {
  readonly root: string;
  /** page.ts as one module. */
  readonly script: string;
  /** Tells whoever waits. */
  progress(line: string): void;
}

/** A peer that gets nowhere is given up after so many times the limit: nothing in a page can be stopped from within. */
const patience = 4;

async function open({ root, script }: ChromeSettings): Promise<Chrome> {
  const files = join(root, 'node_modules', 'onnxruntime-web', 'dist');
  const bundle = async (name: string) => ({ content: await readFile(join(files, name)) });
  const chrome = await startChrome({
    '/': { content: '<!doctype html><script type="module" src="/page.js"></script>' },
    '/page.js': { content: script },
    '/ort/wasm.js': await bundle('ort.wasm.bundle.min.mjs'),
    '/ort/webgpu.js': await bundle('ort.webgpu.bundle.min.mjs'),
    '/ort/files/': files,
    '/favicon.ico': { content: '' },
  });
  try {
    await chrome.page.waitForFunction(() => 'peersCase' in globalThis);
    return chrome;
  } catch (error) {
    await chrome.close();
    throw new Error(`the page did not load: ${chrome.problems[0] ?? oneLine(error)}`);
  }
}

/** The adapter that pages get, and the browser's version. */
export async function adapterOf(settings: ChromeSettings) {
  const chrome = await open(settings);
  try {
    const found = await chrome.page.evaluate(() => globalThis.peersAdapter());
    return { ...found, chrome: chrome.browser.version() };
  } finally {
    await chrome.close();
  }
}

/** Times as a case went on in its page. */
interface Doing {
  peer: string;
  what: string;
}

/**
 * Measures a case in a browser of its own, so that nothing is compiled before. A peer that hangs or ends the page is left out, and the case begins anew
 * without it.
 *
 * @param skipped peers that are not to be started, with the reason
 */
export async function measureInChrome(
  settings: ChromeSettings,
  c: PeerCase,
  skipped: ReadonlyMap<PeerName, string>,
): Promise<PageAnswer> {
  const reasons = new Map(skipped);
  for (;;) {
    const peers = settings.peers.filter((name) => !reasons.has(name));
    const chrome = await open(settings);
    const doing: Doing = { peer: '', what: 'loading' };
    try {
      const answer = await answerOf(chrome.page, settings, c, peers, doing);
      return { ...answer, result: withSkipped(answer.result, settings.peers, reasons) };
    } catch (error) {
      const { peer, what } = doing;
      const end = error instanceof Late ? error.message : `ended the page: ${oneLine(error)}`;
      const reason = `${what}: ${end}`;
      if (!peer) return nothingOf(c, settings.peers, reason);
      reasons.set(peer as PeerName, reason);
      settings.progress(`${c.id}: ${peer} is left out: ${reason}`);
    } finally {
      await chrome.close();
    }
  }
}

/** A case that no peer could be asked about. The next one may do. */
function nothingOf(
  { id, group, about }: PeerCase,
  peers: readonly PeerName[],
  reason: string,
): PageAnswer {
  const none = peers.map((peer) => ({ peer, state: 'none' as const, reason }));
  return { result: { id, group, about, peers: none }, versions: {}, adapters: [] };
}

class Late extends Error {}

async function answerOf(
  page: Page,
  settings: ChromeSettings,
  c: PeerCase,
  peers: readonly PeerName[],
  doing: Doing,
): Promise<PageAnswer> {
  const { maps, rounds, limitS, version, progress } = settings;
  const mostS = Math.max(60, patience * limitS);
  let timer: NodeJS.Timeout | undefined;
  let giveUp: (error: Error) => void = () => {};
  const late = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      giveUp(new Late(`nothing after ${mostS} s`));
    }, 1000 * mostS);
  };
  page.once('crash', () => giveUp(new Error('the page crashed')));
  try {
    await page.exposeFunction('peersStep', (peer: string, what: string) => {
      Object.assign(doing, { peer, what });
      progress(`${c.id}: ${[peer, what].filter(Boolean).join(', ')}`);
      restart();
    });
    restart();
    const request: PageRequest = { id: c.id, maps, peers, rounds, limitS, version };
    const answer = page.evaluate((asked) => globalThis.peersCase(asked), request);
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A case's result with those that were not started. */
export function withSkipped(
  result: CaseResult,
  order: readonly PeerName[],
  reasons: ReadonlyMap<PeerName, string>,
): CaseResult {
  const peers = order.map(
    (peer): PeerResult =>
      result.peers.find((one) => one.peer === peer) ?? {
        ...{ peer, state: 'none', reason: reasons.get(peer) ?? 'not asked for' },
      },
  );
  return { ...result, peers };
}

/** Why a peer is not worth starting on a case: at the rate of what it did before it would take far too long. */
export function tooLong(
  { flops }: PeerCase,
  peer: PeerName,
  before: readonly CaseResult[],
  limitS: number,
): string | undefined {
  if (!flops) return undefined;
  const rates = before.flatMap((c) => {
    const result = c.peers.find((one) => one.peer === peer);
    const ms = result?.medianMs ?? result?.coldMs;
    return ms && c.flops && c.flops > 1e8 ? [c.flops / ms / 1e6] : [];
  });
  if (rates.length === 0) return undefined;
  const rate = Math.max(...rates);
  const seconds = flops / 1e9 / rate;
  if (seconds <= 2 * limitS) return undefined;
  return `about ${Math.round(seconds)} s at the ${rate.toPrecision(2)} GFLOP/s it does at best, the limit is ${limitS} s`;
}
