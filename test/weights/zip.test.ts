import { describe, expect, test } from 'vitest';
import { crc32 } from '../../src/net/weights/crc32.js';
import { parseWeights } from '../../src/net/weights/index.js';
import {
  checkpoint,
  concat,
  little,
  outcome,
  py,
  refusal,
  SIX,
  tensor,
  type ZipFile,
  zip,
} from './build.js';

const pickle = py.file(py.dict([py.str('w'), tensor()]));
const files = (data: Partial<ZipFile> = {}, pkl: Partial<ZipFile> = {}): ZipFile[] => [
  { name: 'a/data.pkl', data: pickle, ...pkl },
  { name: 'a/data/0', data: SIX, ...data },
];

test('crc32 is the one of the standard', () => {
  expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
  const long = Uint8Array.from({ length: 1003 }, (_, i) => i * 7);
  let slow = -1;
  for (const byte of long) {
    slow ^= byte;
    for (let bit = 0; bit < 8; bit++) slow = slow & 1 ? (slow >>> 1) ^ 0xedb88320 : slow >>> 1;
  }
  expect(crc32(long)).toBe(~slow >>> 0);
});

describe('read', () => {
  const cases: [string, Uint8Array][] = [
    ['stored', zip(files())],
    ['deflated', zip(files({ deflate: true }, { deflate: true }))],
    ['with descriptors', zip(files({ descriptor: true }, { descriptor: true, deflate: true }))],
    ['zip64', zip(files(), { zip64: true })],
    ['with a comment', zip(files(), { comment: 'x'.repeat(65535) })],
    [
      'with a comment that looks like an end',
      zip(files(), { comment: 'PK\x05\x06'.padEnd(40, 'x') }),
    ],
    [
      'little-endian by its own word',
      zip([...files(), { name: 'a/byteorder', data: new TextEncoder().encode('little') }]),
    ],
    [
      'no folder',
      zip([
        { name: 'data.pkl', data: pickle },
        { name: 'data/0', data: SIX },
      ]),
    ],
    [
      'names that would be paths',
      zip([...files(), { name: '../../etc/passwd', data: SIX }, { name: '/abs', data: SIX }]),
    ],
  ];
  test.each(cases)('%s', (_, file) => {
    expect(outcome(file)).toBe(6);
    expect([...parseWeights(file).entries.get('w')!.read()]).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe('refused', () => {
  const zeros = new Uint8Array(20_000_000);
  const wide = py.file(
    py.dict([
      py.str('w'),
      tensor({
        count: py.int(5_000_000),
        size: py.tuple(py.int(5_000_000)),
        stride: py.tuple(py.int(1)),
      }),
    ]),
  );
  const flipped = (at: number, bit = 1) => {
    const file = zip(files());
    file[at] ^= bit;
    return file;
  };
  const cases: [string, Uint8Array, RegExp][] = [
    [
      'a wrong checksum in the directory',
      zip(files({ central: { crc: 1 }, local: { crc: 1 } })),
      /'a\/data\/0' is damaged: its checksum is \d+, expected 1/,
    ],
    ['a flipped bit in a storage', flipped(30 + 10 + pickle.length + 30 + 8 + 5), /damaged/],
    ['a flipped bit in the pickle', flipped(30 + 10 + 5), /'a\/data\.pkl' is damaged/],
    [
      'local and directory: name',
      zip(files({ local: { name: 'a/data/1' } })),
      /local header at byte \d+ has name 'a\/data\/1', the directory 'a\/data\/0'/,
    ],
    [
      'local and directory: method',
      zip(files({ local: { method: 8 } })),
      /has method 8, the directory 0/,
    ],
    ['local and directory: flags', zip(files({ local: { flags: 0 } })), /has flags 0/],
    [
      'local and directory: size',
      zip(files({ local: { size: 23 } })),
      /has size 23, the directory 24/,
    ],
    [
      'local and directory: packed size',
      zip(files({ local: { packed: 23 } })),
      /has packed size 23/,
    ],
    ['local and directory: checksum', zip(files({ local: { crc: 5 } })), /has checksum 5/],
    [
      'a descriptor that says otherwise',
      zip(files({ descriptor: true, central: { crc: 5 } })),
      /is not the checksum and sizes/,
    ],
    [
      'the same name twice',
      zip([...files(), { name: 'a/data/0', data: SIX }]),
      /'a\/data\/0' is there twice/,
    ],
    [
      'two entries with the same bytes',
      zip([...files(), { name: 'a/data/1', data: SIX, central: { offset: 0 } }]),
      /entries overlap|local header/,
    ],
    [
      'an entry over the next',
      zip(
        files(
          {},
          {
            central: { packed: pickle.length + 8, size: pickle.length + 8 },
            local: { packed: pickle.length + 8, size: pickle.length + 8 },
          },
        ),
      ),
      /past the start of 'a\/data\/0' at \d+: entries overlap/,
    ],
    [
      'an entry over the directory',
      zip(files({ central: { packed: 100, size: 100 }, local: { packed: 100, size: 100 } })),
      /'the directory' at \d+: entries overlap/,
    ],
    [
      'an entry past the end',
      zip(files({ central: { packed: 1e9, size: 1e9 }, local: { packed: 1e9, size: 1e9 } })),
      /overlap|truncated/,
    ],
    [
      'an offset that is no header',
      zip(files({ central: { offset: 7 } })),
      /no local header at byte 7|overlap/,
    ],
    [
      'stored with two sizes',
      zip(files({ central: { packed: 23 } })),
      /stored, yet its sizes differ: 23 and 24/,
    ],
    ['encrypted', zip(files({ central: { flags: 0x801 }, local: { flags: 0x801 } })), /encrypted/],
    [
      'packed by bzip2',
      zip(files({ central: { method: 12 }, local: { method: 12 } })),
      /method 12/,
    ],
    ['more entries than there are', zip(files(), { count: 3 }), /3 entries in \d+ bytes/],
    ['fewer entries than there are', zip(files(), { count: 1 }), /ends at byte \d+, expected/],
    ['65,000 entries claimed', zip(files(), { count: 65_000 }), /65000 entries in \d+ bytes/],
    [
      'a bomb: 20 MB in 20 kB',
      zip([
        { name: 'a/data.pkl', data: wide },
        { name: 'a/data/0', data: zeros, deflate: true },
      ]),
      /over 100 times: refused as a zip bomb/,
    ],
    [
      'a bomb that hides its size',
      zip([
        { name: 'a/data.pkl', data: pickle },
        {
          name: 'a/data/0',
          data: zeros,
          deflate: true,
          central: { size: 24 },
          local: { size: 24 },
        },
      ]),
      /unpacks to more than the 24 bytes it claims/,
    ],
    [
      'deflated to less than claimed',
      zip(
        files(
          { deflate: true, central: { size: 28 }, local: { size: 28 } },
          { data: py.file(py.dict([py.str('w'), tensor({ count: py.int(7) })])) },
        ),
      ),
      /unpacks to 24 bytes, it claims 28/,
    ],
    [
      'not deflate at all',
      zip(files({ central: { method: 8 }, local: { method: 8 } })),
      /cannot be inflated|unpacks to/,
    ],
    [
      'a big-endian file',
      zip([...files(), { name: 'a/byteorder', data: new TextEncoder().encode('big') }]),
      /byte order 'big', expected 'little'/,
    ],
    [
      'two checkpoints in one',
      zip([...files(), { name: 'b/data.pkl', data: pickle }]),
      /2 data\.pkl/,
    ],
    [
      'another zip',
      zip([{ name: 'word/document.xml', data: SIX }]),
      /without data\.pkl \(it holds 'word\/document\.xml'\)/,
    ],
    ['an empty zip', zip([]), /it holds nothing/],
    [
      'TorchScript',
      zip([...files(), { name: 'a/constants.pkl', data: SIX }]),
      /TorchScript program.*torch\.jit\.load/,
    ],
    [
      'Keras',
      zip([
        { name: 'config.json', data: SIX },
        { name: 'model.weights.h5', data: SIX },
      ]),
      /Keras/,
    ],
    ['NumPy', zip([{ name: 'w.npy', data: SIX }]), /NumPy arrays/],
    ['bytes after the end', concat(zip(files()), [0]), /without its end record/],
    [
      'bytes before the start',
      concat([0x50, 0x4b, 3, 4], zip(files())),
      /directory of \d+ bytes at byte \d+ ends at/,
    ],
  ];
  test.each(cases)('%s', (_, file, says) => {
    expect(refusal(file)).toMatch(says);
  });

  test('more entries than there are, with room for them', () => {
    const long = files().map((file) => ({
      ...file,
      name: file.name.replace('a/', `${'a'.repeat(60)}/`),
    }));
    expect(refusal(zip(long, { count: 3 }))).toMatch(
      /no zip directory entry at byte \d+, expected number 2/,
    );
  });

  test('zip64 fields that lie', () => {
    const good = zip(files(), { zip64: true });
    const end = good.length - 22 - 20 - 56;
    const broken = (at: number, value: number | bigint, bytes: number) => {
      const file = good.slice();
      file.set(little(value, bytes), at);
      return refusal(file);
    };
    expect(broken(end + 56 + 8, 2n ** 63n, 8)).toMatch(
      /zip64 end record offset .* is 9223372036854775808/,
    );
    expect(broken(end + 56 + 8, 0, 8)).toMatch(/no zip64 end record at byte 0/);
    expect(broken(end + 32, 2n ** 53n, 8)).toMatch(/entry count .* is 9007199254740992/);
    expect(broken(end + 32, 100, 8)).toMatch(/100 entries in/);
    expect(broken(end + 40, 1, 8)).toMatch(/directory of 1 bytes/);
    expect(broken(end + 48, 3, 8)).toMatch(/at byte 3 ends at/);
    expect(broken(end + 4, 45, 8)).toMatch(/does not end at/);
    expect(broken(end + 16, 1, 4)).toMatch(/several parts/);
    // The first entry's own sizes: the wide field follows its 46 bytes and its name.
    const central = Number(new DataView(good.buffer).getBigUint64(end + 48, true));
    expect(broken(central + 46 + 10 + 4, 2n ** 63n, 8)).toMatch(/has size 9223372036854775808/);
    expect(broken(central + 46 + 10 + 4 + 16, 2n ** 40n, 8)).toMatch(
      /no local header at byte 1099511627776/,
    );
    expect(broken(central + 46 + 10, 9, 2)).toMatch(/no zip64 field for its size/);
  });

  test('a directory that leads to one place again and again', () => {
    const one = { name: 'x', data: new Uint8Array(0), central: { offset: 0 } };
    const file = zip(Array.from({ length: 300 }, (_, i) => ({ ...one, name: `x${i}` })));
    expect(refusal(file)).toMatch(
      /'x0' ends at byte 32, past the start of 'x1' at 0: entries overlap/,
    );
  });
});

test('a damaged storage that no one reads does no harm', () => {
  const both = py.dict([py.str('w'), tensor()], [py.str('v'), tensor({ key: '1' })]);
  const file = checkpoint(both, { 0: SIX }, [
    { name: 'archive/data/1', data: SIX, central: { crc: 1 }, local: { crc: 1 } },
  ]);
  const { entries } = parseWeights(file);
  expect(entries.get('w')?.read()).toHaveLength(6);
  expect(() => entries.get('v')?.read()).toThrow(/damaged/);
});
