/** What becomes of the results of peers: ratios, several runs as one, tables, the chart. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { PeerCase } from '../../bench/peers/cases.js';
import { chart } from '../../bench/peers/chart.js';
import { tooLong, withSkipped } from '../../bench/peers/chrome.js';
import { type PeerName, peerNames } from '../../bench/peers/peer.js';
import { markdown, type PeersFile } from '../../bench/peers/report.js';
import type { CaseResult, PeerResult } from '../../bench/peers/rounds.js';
import { pooled, ratioTo, ratioToBest, together } from '../../bench/peers/runs.js';
import { between } from '../../bench/section.js';

const measured = (
  peer: PeerName,
  medianMs: number,
  more: Partial<PeerResult> = {},
): PeerResult => ({
  ...{ peer, state: 'measured', medianMs, coldMs: 3 * medianMs, warmMs: [medianMs], error: 1e-6 },
  ...{ repeats: 1, peakBytes: 2 ** 20, isWrong: false },
  counts: { dispatches: 3, submissions: 1, uploadedBytes: 2 ** 20, copiedBytes: 2 ** 20 },
  ...more,
});

const result = (id: string, peers: PeerResult[], flops?: number): CaseResult => ({
  ...{ id, group: 'layers', about: `about ${id}`, peers, ...(flops && { flops }) },
});

const filed: PeersFile = {
  ...{ runtime: 'chrome 1', date: '2030-01-02T03:04:05Z', adapter: 'an adapter', kind: 'software' },
  versions: { 'webgpu-cam': '1.2.3', 'ort-wasm': '4.5.6', 'tfjs-webgpu': '7.8.9', platform: 'p' },
  settings: { peers: peerNames, rounds: 2, runs: 1, maps: 4, limitS: 9 },
  cases: [],
  notRun: [],
};

describe('the report', () => {
  const cases = [
    result('a', [
      measured('ours', 10, { gflops: 2, fmaShare: 0.25 }),
      measured('tfjs-webgpu', 40),
      measured('ort-webgpu', 20, { error: 0.7, isWrong: true }),
      measured('ort-plain', 90),
      measured('ort-wasm', 1, { isReference: true }),
    ]),
    result('b', [
      measured('ours', 10),
      { peer: 'tfjs-webgpu', state: 'once', coldMs: 60, reason: 'the first run took 60 s of 9' },
      { peer: 'ort-webgpu', state: 'none', reason: 'failed: no memory' },
      { peer: 'ort-plain', state: 'none', reason: 'it has no attention' },
      measured('ort-wasm', 1),
    ]),
  ];
  const file: PeersFile = { ...filed, cases, notRun: [{ id: 'c', about: 'about c' }] };

  test('compares with the better peer whose result is right', () => {
    expect(ratioTo(cases[0], 'ort-webgpu')).toBe(2);
    expect(ratioToBest(cases[0])).toBe(4);
    // First run by first run.
    expect(ratioToBest(cases[1])).toBe(2);
    expect(ratioToBest(result('d', [measured('ours', 1)]))).toBeUndefined();
    const wrong = [measured('ours', 1, { isWrong: true }), measured('tfjs-webgpu', 9)];
    expect(ratioToBest(result('e', wrong))).toBeUndefined();
  });

  test('shows what is wrong, and what is not measured', () => {
    const text = markdown(file);
    expect(text).toContain('Adapter: **an adapter** (a software adapter: no GPU)');
    expect(text).toContain('onnxruntime-web 4.5.6, TensorFlow.js 7.8.9');
    expect(text).toContain(
      '| about a (`a`) | 10.0 | 40.0 | **wrong** (20.0); plain attention 90.0 | 1.00 | **4.00** | 2.00 | 25 % |',
    );
    expect(text).toContain('| about b (`b`) | 10.0 | 60.0 (1 run) | – | 1.00 | **2.00** | – | – |');
    expect(text).toContain('| `a` | 3 / 3 / 3 | 1.00 / 1.00 / 1.00 | 2048 / 2048 / 2048 |');
    expect(text).toContain('1e-6 / 1e-6 / 7e-1 / ref');
    const [, missing] = text.split('### Not measured in this run');
    expect(missing.trim().split('\n')).toEqual([
      '- `b`, TensorFlow.js WebGPU: one run only: the first run took 60 s of 9',
      '- `b`, ORT Web WebGPU: failed: no memory',
      '- not run here at all: `c` (`--cases` names them)',
    ]);
  });

  test('goes between markers of its own, and has a chart', async () => {
    const page = '<!-- peers:begin -->\nold\n<!-- peers:end -->\n';
    expect(between(page, 'new', 'p', 'peers')).toBe(page.replace('old', '\nnew\n'));
    expect(() => between(page, 'new', 'p.md', 'localisation')).toThrow(/^p.md should hold/);
    const svg = await chart(file);
    expect(svg).toMatch(/^<svg/);
    expect(svg).toContain('TensorFlow.js WebGPU');
  });
});

describe('several runs of a case', () => {
  const run = (own: number, theirs: number, more: Partial<PeerResult> = {}) =>
    result(
      'a',
      [measured('ours', own, { fmaShare: own / 100 }), measured('tfjs-webgpu', theirs, more)],
      1e9,
    );

  test('are one: rounds together, the median of the ratios', () => {
    const c = pooled([run(10, 40), run(20, 40), run(30, 90)]);
    expect(c.ratios).toEqual([4, 2, 3]);
    expect(ratioToBest(c)).toBe(3);
    const [own, theirs] = c.peers;
    expect(own).toMatchObject({ warmMs: [10, 20, 30], medianMs: 20, coldMs: 60, fmaShare: 0.2 });
    expect(own.gflops).toBeCloseTo(1e9 / 20 / 1e6, 9);
    expect(theirs).toMatchObject({ warmMs: [40, 40, 90], medianMs: 40, isWrong: false });
    expect(pooled([run(10, 40)])).toEqual(run(10, 40));
  });

  test('forget neither a wrong result nor a failure', () => {
    const wrong = pooled([run(10, 40), run(10, 20, { isWrong: true, error: 0.5 })]);
    expect(wrong.peers[1]).toMatchObject({ isWrong: true, error: 0.5 });
    // The run in which nobody was right to compare with has no ratio.
    expect(wrong.ratios).toEqual([4]);
    const once: Partial<PeerResult> = { state: 'once', reason: 'failed when run again: lost' };
    const late = pooled([
      run(10, 40),
      run(10, 40, { ...once, medianMs: undefined, warmMs: undefined }),
    ]);
    expect(late.peers[1]).toMatchObject({ state: 'measured', reason: once.reason, warmMs: [40] });
    const none = { peer: 'tfjs-webgpu', state: 'none', reason: 'failed: no memory' } as const;
    const first = pooled([result('a', [measured('ours', 10), none]), run(10, 50)]);
    expect(first.peers[1]).toMatchObject({ state: 'measured', reason: none.reason, medianMs: 50 });
  });

  test('are told apart in the table', () => {
    const c = pooled([run(10, 40), run(20, 40), run(30, 90)]);
    const text = markdown({ ...filed, cases: [c, run(1, 2)] });
    expect(text).toContain('| **3.00** (2.00 to 4.00) |');
    expect(text).toContain('| **2.00** |');
    expect(text).toContain('Medians of 1 to 3 warm rounds in up to 3 runs');
  });
});

test("the docs' tables are what their JSON says", () => {
  const docs = new URL('../../docs/', import.meta.url);
  const page = readFileSync(new URL('performance.md', docs), 'utf8');
  const json = JSON.parse(readFileSync(new URL('peers.json', docs), 'utf8')) as PeersFile;
  expect(between(page, markdown(json), 'performance.md', 'peers')).toBe(page);
});

test('what was measured now stands beside what was measured before', () => {
  const all = ['a', 'b', 'c', 'd'].map((id) => ({ id, about: `about ${id}` }));
  const now = [result('c', [measured('ours', 3)])];
  const earlier = ['cams-4', 'c', 'b'].map((id) => result(id, [measured('ours', 9)]));
  const cases = together(all, now, earlier);
  expect(cases.map(({ id }) => id)).toEqual(['b', 'c', 'cams-4']);
  expect(cases.map(({ peers }) => peers[0].medianMs)).toEqual([9, 3, 9]);
});

describe('peers that take too long', () => {
  const before = [result('a', [measured('ort-webgpu', 1000)], 2e8)];
  const huge = { id: 'huge', flops: 30e9 } as PeerCase;

  test('are not started', () => {
    expect(tooLong(huge, 'ort-webgpu', before, 60)).toBe(
      'about 150 s at the 0.20 GFLOP/s it does at best, the limit is 60 s',
    );
    expect(tooLong(huge, 'ort-webgpu', before, 75)).toBeUndefined();
    expect(tooLong(huge, 'tfjs-webgpu', before, 60)).toBeUndefined();
    expect(tooLong({ ...huge, flops: undefined } as PeerCase, 'ort-webgpu', before, 1)).toBe(
      undefined,
    );
  });

  test('are listed with the reason, in the order of the others', () => {
    const reasons = new Map<PeerName, string>([['tfjs-webgpu', 'nothing after 240 s']]);
    const { peers } = withSkipped(before[0], ['tfjs-webgpu', 'ort-webgpu'], reasons);
    expect(peers.map(({ peer, reason }) => [peer, reason])).toEqual([
      ['tfjs-webgpu', 'nothing after 240 s'],
      ['ort-webgpu', undefined],
    ]);
  });
});
