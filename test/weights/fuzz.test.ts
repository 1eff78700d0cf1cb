import { describe, expect, test } from 'vitest';
import { encodeSafetensors } from '../../src/net/weights/index.js';
import { checkpoint, concat, little, outcome, py, SIX, shape, tensor, zip } from './build.js';

// Any bytes give a WeightsError or valid tensors, soon: real headers with seeded mutations. FUZZ_ROUNDS asks for more.

const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 2000);

/** xorshift32: a failing round is found again by its number. */
function generator(seed: number) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const TOKENS = [
  '-1',
  '0',
  '9007199254740993',
  '1e9',
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '"F16"',
  '"a"',
  'null',
  '\\u0061',
  '\u00e9',
];

function mutate(source: Uint8Array, random: (below: number) => number): Uint8Array {
  let bytes = source.slice();
  for (let n = 1 + random(4); n > 0; n--) {
    const at = random(bytes.length || 1);
    const other = random(bytes.length || 1);
    const [from, to] = [Math.min(at, other), Math.max(at, other)];
    switch (random(8)) {
      case 0:
        bytes[at] ^= 1 << random(8);
        break;
      case 1:
        bytes[at] = random(256);
        break;
      case 2: // a hostile number
        bytes.set(
          little([0, 1, 0xffffffff, 0x7fffffff, bytes.length][random(5)], 4).slice(
            0,
            bytes.length - at,
          ),
          at,
        );
        break;
      case 3:
        bytes = bytes.slice(0, at);
        break;
      case 4: // a piece left out
        bytes = concat(bytes.subarray(0, from), bytes.subarray(Math.min(to, from + 16)));
        break;
      case 5: // a piece repeated
        bytes = concat(
          bytes.subarray(0, from),
          bytes.subarray(from, Math.min(to, from + 64)),
          bytes.subarray(from),
        );
        break;
      case 6: // one piece over another
        bytes.copyWithin(at, other, Math.min(other + 1 + random(32), bytes.length));
        break;
      default: {
        const token = new TextEncoder().encode(TOKENS[random(TOKENS.length)]);
        bytes = concat(bytes.subarray(0, at), token, bytes.subarray(at + random(4)));
      }
    }
  }
  return bytes;
}

const state = py.dict(
  [py.str('module.a'), tensor()],
  [py.str('module.b'), tensor({ size: shape(3, 2), stride: shape(1, 3) })],
);
const pickle = py.file(
  py.dict(
    [py.str('state_dict'), state],
    [py.str('epoch'), py.int(3)],
    [py.str('opt'), py.global('x', 'Adam')],
  ),
);
const header = new Map([
  ['a.weight', { shape: [2, 3], data: new Float32Array(6) }],
  ['a.bias', { shape: [2], data: Float32Array.of(1, 2) }],
  ['half', { shape: [3], data: Float32Array.of(1, 2, 3), dtype: 'F16' as const }],
]);
const parts = [
  { name: 'a/data.pkl', data: pickle },
  { name: 'a/data/0', data: SIX },
];

const seeds: [string, Uint8Array, (mutated: Uint8Array) => Uint8Array][] = [
  ['safetensors', encodeSafetensors(header, { format: 'pt' }), (bytes) => bytes],
  ['zip', zip(parts), (bytes) => bytes],
  [
    'zip64, deflated',
    zip(
      parts.map((part) => ({ ...part, deflate: true })),
      { zip64: true },
    ),
    (bytes) => bytes,
  ],
  // The checksum is made anew, so that the pickle itself is reached.
  ['pickle', pickle, (bytes) => checkpoint(bytes)],
];

describe.each(seeds)('%s', (_, source, wrap) => {
  test('the seed itself is read', () => {
    expect(outcome(wrap(source))).toBeGreaterThan(0);
  });

  test(`${ROUNDS} mutations are refused or read, none hangs`, () => {
    const ends = { refused: 0, read: 0 };
    const lines = new Set<string>();
    for (let round = 1; round <= ROUNDS; round++) {
      const bytes = wrap(mutate(source, generator(round)));
      const started = performance.now();
      try {
        const result = outcome(bytes);
        if (typeof result === 'string') lines.add(result.replace(/\d+|'.*?'/g, ''));
        ends[typeof result === 'string' ? 'refused' : 'read']++;
      } catch (error) {
        throw new Error(`round ${round}: ${(error as Error).stack}`);
      }
      if (performance.now() - started > 5000) throw new Error(`round ${round} took too long`);
    }
    expect(ends.refused).toBeGreaterThan(ROUNDS / 2);
    expect(lines.size).toBeGreaterThan(15); // the mutations reach many different checks
  });
});

test('noise behind every magic', () => {
  const starts = ['', 'PK\x03\x04', '\x80\x02', '\x08\x07\x12', '{"', '\x10\0\0\0\0\0\0\0{"'];
  for (let round = 1; round <= ROUNDS; round++) {
    const random = generator(round);
    const start = starts[random(starts.length)];
    const noise = Array.from({ length: random(200) }, () => random(256));
    const bytes = concat(
      Array.from(start, (c) => c.charCodeAt(0)),
      noise,
    );
    expect(typeof outcome(bytes), `round ${round}`).toBe('string');
  }
});
