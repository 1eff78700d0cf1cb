import { describe, expect, test } from 'vitest';
import { parseWeights } from '../../src/net/weights/index.js';
import { readPickle } from '../../src/net/weights/pickle.js';
import { checkpoint, outcome, py, refusal, SIX, shape, tensor } from './build.js';

const dict = (...pairs: [string, number[]][]) =>
  py.dict(...pairs.map(([key, value]): [number[], number[]] => [py.str(key), value]));
const read = (bytes: Uint8Array, name: string) => [
  ...parseWeights(bytes).entries.get(name)!.read(),
];

describe('views of a storage', () => {
  const view = (size: number[], stride: number[], offset = 0) =>
    read(
      checkpoint(
        dict([
          'w',
          tensor({ size: shape(...size), stride: shape(...stride), offset: py.int(offset) }),
        ]),
      ),
      'w',
    );
  test('as it lies, transposed, a column, a part, one number, none', () => {
    expect(view([2, 3], [3, 1])).toEqual([1, 2, 3, 4, 5, 6]);
    expect(view([3, 2], [1, 3])).toEqual([1, 4, 2, 5, 3, 6]);
    expect(view([2], [3], 1)).toEqual([2, 5]);
    expect(view([2, 1], [1, 77], 4)).toEqual([5, 6]);
    expect(view([], [], 5)).toEqual([6]);
    expect(view([3, 2], [0, 1])).toEqual([1, 2, 1, 2, 1, 2]);
    expect(view([0, 1000000], [1, 1])).toEqual([]);
  });

  test('channels last comes back in the usual order', () => {
    const stored = new Float32Array(24);
    const [C, H, W] = [2, 3, 4];
    const at = (c: number, h: number, w: number) => (c * H + h) * W + w;
    for (let c = 0; c < C; c++)
      for (let h = 0; h < H; h++)
        for (let w = 0; w < W; w++) stored[(h * W + w) * C + c] = at(c, h, w);
    const spec = { count: py.int(24), size: shape(1, C, H, W), stride: shape(24, 1, W * C, C) };
    const file = checkpoint(dict(['w', tensor(spec)]), { 0: new Uint8Array(stored.buffer) });
    expect(read(file, 'w')).toEqual(Array.from({ length: 24 }, (_, i) => i));
  });

  test('several types, and two views of one storage', () => {
    const file = checkpoint(
      dict(
        [
          'half',
          tensor({
            storage: 'HalfStorage',
            key: 'h',
            count: py.int(2),
            size: shape(2),
            stride: shape(1),
          }),
        ],
        [
          'long',
          tensor({
            storage: 'LongStorage',
            key: 'l',
            count: py.int(1),
            size: shape(),
            stride: shape(),
          }),
        ],
        [
          'bool',
          tensor({
            storage: 'BoolStorage',
            key: 'b',
            count: py.int(3),
            size: shape(3),
            stride: shape(1),
          }),
        ],
        ['row', tensor({ size: shape(3), stride: shape(1), offset: py.int(3) })],
        ['all', tensor()],
      ),
      {
        0: SIX,
        h: Uint8Array.of(0x00, 0x3c, 0x00, 0xc0),
        l: new Uint8Array(BigInt64Array.of(-5n).buffer),
        b: Uint8Array.of(1, 0, 1),
      },
    );
    const { entries } = parseWeights(file);
    expect([...entries.values()].map(({ dtype }) => dtype)).toEqual([
      'F16',
      'I64',
      'BOOL',
      'F32',
      'F32',
    ]);
    expect(read(file, 'half')).toEqual([1, -2]);
    expect(read(file, 'long')).toEqual([-5]);
    expect(read(file, 'bool')).toEqual([1, 0, 1]);
    expect(read(file, 'row')).toEqual([4, 5, 6]);
  });

  const hostile: [string, Parameters<typeof tensor>[0], RegExp][] = [
    ['one row too many', { size: shape(3, 3) }, /reaches element 8, its storage has 6/],
    ['stride past the end', { stride: shape(4, 1) }, /reaches element 6, its storage has 6/],
    ['offset past the end', { offset: py.int(1) }, /reaches element 6/],
    ['offset of 2^62', { offset: py.long(2n ** 62n) }, /offset '4611686018427387904'/],
    ['negative offset', { offset: py.int(-1) }, /offset '-1'/],
    ['negative stride', { stride: shape(-3, 1), offset: py.int(3) }, /stride is '\(-3, 1\)'/],
    ['negative size', { size: shape(-2, 3) }, /size is '\(-2, 3\)'/],
    [
      'a product that wraps',
      { size: py.tuple(py.long(2n ** 33n), py.long(2n ** 31n)) },
      /reaches element/,
    ],
    [
      'a view of 2^40 from one number',
      { size: py.tuple(py.long(2n ** 40n)), stride: shape(0) },
      /1099511627776 elements, its storage only 6/,
    ],
    [
      '2^53 in each of 20 dimensions, stride 0',
      {
        size: py.tuple(...Array(20).fill(py.long(2n ** 53n - 1n))),
        stride: shape(...Array(20).fill(0)),
      },
      /its storage only 6/,
    ],
    [
      '65 dimensions',
      { size: shape(...Array(65).fill(1)), stride: shape(...Array(65).fill(1)) },
      /up to 64 integers/,
    ],
    ['other lengths', { size: shape(2) }, /size and stride differ in length/],
    ['text for a size', { size: py.str('x') }, /size is 'x'/],
    [
      'a storage that claims more',
      { count: py.int(7) },
      /24 bytes in the zip, 7 elements of F32 need 28/,
    ],
    [
      'a storage that claims less',
      { count: py.int(5), size: shape(5), stride: shape(1) },
      /24 bytes in the zip, 5 elements of F32 need 20/,
    ],
    ['a storage of 2^60', { count: py.long(2n ** 60n) }, /has '1152921504606846976' elements/],
    ['a storage of another type', { storage: 'DoubleStorage' }, /6 elements of F64 need 48/],
    ['a storage not there', { key: '../../etc/passwd' }, /'..\/..\/etc\/passwd' is not in the zip/],
    [
      'a type that is not read',
      { storage: 'ComplexFloatStorage' },
      /kept in 'torch.ComplexFloatStorage'/,
    ],
  ];
  test.each(hostile)('refused: %s', (_, spec, says) => {
    expect(refusal(checkpoint(dict(['w', tensor(spec)])))).toMatch(says);
  });
});

describe('where the tensors are', () => {
  const weights = (...pairs: [string, number[]][]) => parseWeights(checkpoint(dict(...pairs)));
  const inner = dict(['w', tensor()]);

  test.each(['state_dict', 'model_state_dict', 'model_state', 'model', 'net', 'network'])(
    'under %s',
    (key) => {
      const { entries, notes } = weights([key, inner], ['epoch', py.int(3)]);
      expect([...entries.keys()]).toEqual(['w']);
      expect(notes).toEqual([`Took the tensors under '${key}'.`]);
    },
  );

  test('two levels down, with what stands beside', () => {
    const { entries, notes, metadata } = weights(
      ['model', dict(['state_dict', inner])],
      ['arch', py.str('net')],
      ['epoch', py.int(9)],
      ['loss', tensor()],
    );
    expect([...entries.keys()]).toEqual(['w']);
    expect(notes).toEqual(["Took the tensors under 'model' > 'state_dict'."]);
    expect({ ...metadata }).toEqual({ arch: 'net', epoch: '9' });
  });

  test('prefixes of wrappers are dropped when every name has them', () => {
    const both = weights(['module._orig_mod.a.w', tensor()], ['module._orig_mod.b', tensor()]);
    expect([...both.entries.keys()]).toEqual(['a.w', 'b']);
    expect(both.entries.get('a.w')?.name).toBe('a.w');
    expect(both.notes).toEqual([
      "Dropped the prefix 'module.' of every name.",
      "Dropped the prefix '_orig_mod.' of every name.",
    ]);
    const mixed = weights(['module.a', tensor()], ['b', tensor()]);
    expect([...mixed.entries.keys()]).toEqual(['module.a', 'b']);
  });

  test('what is not a tensor is left out and named', () => {
    const { entries, notes } = weights(['w', tensor()], ['epoch', py.int(1)], ['x', py.none]);
    expect([...entries.keys()]).toEqual(['w']);
    expect(notes).toEqual(["Left out what is not a tensor: 'epoch', 'x'."]);
  });

  test('attributes that PyTorch hangs on a state_dict, parameters, Python 2 names', () => {
    const ordered = [...py.call(py.global('collections', 'OrderedDict')), 0x28];
    const parameter = py.call(
      py.global('torch._utils', '_rebuild_parameter'),
      tensor(),
      [0x88],
      py.call(py.global('collections', 'OrderedDict')),
    );
    const filled = [...ordered, 0x55, 1, 0x77, ...parameter, 0x75]; // SHORT_BINSTRING 'w'
    const built = py.build(filled, dict(['_metadata', dict(['version', py.int(1)])]));
    expect(read(checkpoint(built), 'w')).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('an OrderedDict from pairs, a tensor with attributes', () => {
    const typed = py.call(
      py.global('torch._tensor', '_rebuild_from_type_v2'),
      py.global('torch._utils', '_rebuild_tensor_v2'),
      py.global('torch.nn.parameter', 'Parameter'),
      tensor().slice(py.global('torch._utils', '_rebuild_tensor_v2').length, -1),
      py.dict(),
    );
    const pairs = py.list(py.tuple(py.str('a'), typed), py.tuple(py.str('b'), tensor()));
    const file = checkpoint(py.call(py.global('collections', 'OrderedDict'), pairs));
    expect([...parseWeights(file).entries.keys()]).toEqual(['a', 'b']);
    expect(outcome(file)).toBe(12);
  });

  test('refused: nothing to take', () => {
    expect(refusal(checkpoint(py.int(1)))).toMatch(/the checkpoint is '1', expected a state_dict/);
    expect(refusal(checkpoint(tensor()))).toMatch(/a single tensor, expected a state_dict/);
    expect(refusal(checkpoint(py.dict()))).toMatch(/found an empty dict/);
    expect(refusal(checkpoint(dict(['epoch', py.int(1)], ['opt', py.dict()])))).toMatch(
      /no tensors at the top level nor under state_dict, .*found 'epoch', 'opt'/,
    );
    // A dict that holds itself.
    const self = [0x7d, 0x71, 0, ...py.str('model'), 0x68, 0, 0x73];
    expect(refusal(checkpoint(self))).toMatch(/no tensors/);
  });
});

describe('names in the pickle', () => {
  test('a class beside the weights is stepped over and noted', () => {
    const { entries, notes } = parseWeights(
      checkpoint(
        dict(
          ['state_dict', dict(['w', tensor()])],
          ['optimizer_type', py.global('torch.optim.adam', 'Adam')],
          ['args', py.build(py.make(py.global('argparse', 'Namespace')), dict(['lr', py.int(1)]))],
          ['best', py.call(py.global('numpy.core.multiarray', 'scalar'), py.int(1))],
        ),
      ),
    );
    expect([...entries.keys()]).toEqual(['w']);
    expect(notes).toContain(
      "Stepped over mentions of 'torch.optim.adam.Adam'; nothing was imported.",
    );
  });

  const system = py.global('os', 'system');
  const ls = py.str('ls');
  const text = (code: string) => Uint8Array.from(code, (c) => c.charCodeAt(0));
  const asked: [string, number[] | Uint8Array, RegExp][] = [
    ['REDUCE', py.call(system, ls), /asks to call os\.system /],
    [
      'REDUCE beside good weights',
      dict(['state_dict', dict(['w', tensor()])], ['x', py.call(py.global('posix', 'system'), ls)]),
      /call posix\.system /,
    ],
    ['NEWOBJ', py.make(py.global('subprocess', 'Popen'), ls), /call subprocess\.Popen /],
    [
      'NEWOBJ_EX',
      [...py.global('builtins', 'exec'), ...py.tuple(ls), ...py.dict(), 0x92],
      /call builtins\.exec /,
    ],
    [
      'STACK_GLOBAL',
      [...py.str('builtins'), ...py.str('eval'), 0x93, ...py.tuple(ls), 0x52],
      /call builtins\.eval /,
    ],
    [
      'names kept in the memo',
      [
        ...py.str('os'),
        0x71,
        0,
        ...py.str('system'),
        0x71,
        1,
        0x30,
        0x30,
        0x68,
        0,
        0x68,
        1,
        0x93,
        ...py.tuple(ls),
        0x52,
      ],
      /call os\.system /,
    ],
    ['OBJ', [0x28, ...system, ...ls, 0x6f], /call os\.system /],
    ['protocol 0', text("cos\nsystem\n(S'ls'\ntR."), /call os\.system /],
    ['protocol 0, INST', text("(S'ls'\nios\nsystem\n."), /call os\.system /],
    [
      'popped, so that it leaves no trace',
      [...py.call(system, ls), 0x30, ...dict(['w', tensor()])],
      /call os\.system /,
    ],
    [
      'BUILD on a class',
      py.build(py.global('torch', 'Tensor'), dict(['x', py.int(1)])),
      /set the state of torch\.Tensor /,
    ],
    [
      'getattr to reach others',
      py.call(py.global('builtins', 'getattr'), system, ls),
      /call builtins\.getattr /,
    ],
    [
      'a rebuild function of another kind',
      py.call(py.global('torch._utils', '_rebuild_qtensor'), ls),
      /call torch\._utils\._rebuild_qtensor /,
    ],
    [
      'a dotted name',
      py.call(py.global('torch', '_utils.os.system'), ls),
      /call torch\._utils\.os\.system /,
    ],
    [
      'torch.load within',
      py.call(py.global('torch.serialization', 'load'), ls),
      /call torch\.serialization\.load /,
    ],
    [
      'a function for a rebuilt type',
      py.call(
        py.global('torch._tensor', '_rebuild_from_type_v2'),
        system,
        py.global('torch', 'Tensor'),
        py.tuple(ls),
      ),
      /call os\.system |_rebuild_from_type_v2/,
    ],
    [
      'the whole model',
      py.make(py.global('torchvision.models.resnet', 'ResNet')),
      /ResNet .*torch\.save\(model\.state_dict\(\)/,
    ],
    ['extension registry', [0x82, 1], /extension registry/],
    [
      'a name that would break the line',
      py.call(py.global('os\u001b[31m', 'x')),
      /call os\?\[31m\.x /,
    ],
  ];
  test.each(asked)('refused by name: %s', (_, code, says) => {
    expect(refusal(checkpoint(code))).toMatch(says);
  });

  test('refused by name: a class or a stepped-over object inside the state_dict', () => {
    const adam = py.global('torch.optim.adam', 'Adam');
    expect(refusal(checkpoint(dict(['w', tensor()], ['a', adam])))).toMatch(
      /asks for torch\.optim\.adam\.Adam under 'a'/,
    );
    const path = py.call(py.global('pathlib', 'PosixPath'), py.str('/'));
    expect(refusal(checkpoint(dict(['w', tensor()], ['p', path])))).toMatch(/pathlib\.PosixPath/);
  });
});

describe('a pickle that is damaged or a bomb', () => {
  const twice = [
    ...py.dict(),
    0x28,
    ...py.str('w'),
    ...tensor(),
    ...py.str('w'),
    ...tensor(),
    0x75,
  ];
  const cases: [string, number[] | Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(0), /wants 1 bytes, only 0 are left/],
    ['protocol 6', Uint8Array.of(0x80, 6, 0x4e, 0x2e), /protocol 6/],
    ['unknown operation', [0xff], /unknown operation 0xff/],
    ['no stop', Uint8Array.of(0x80, 2, 0x4e), /only 0 are left/],
    ['bytes after the stop', [0x4e, 0x2e, 0x4e], /stops, yet 2 bytes follow/],
    ['empty stack', [0x85], /takes from an empty stack/],
    ['values left over', [0x4e, 0x4e], /1 values left over/],
    ['below a mark', [0x4e, 0x28, 0x85], /takes from an empty stack/],
    ['no mark', [0x4e, 0x74], /no open mark/],
    ['memo never kept', [0x68, 7], /recalls memo 7/],
    ['text of 4 GiB', [0x58, 0xff, 0xff, 0xff, 0xff], /wants 4294967295 bytes/],
    ['text of 2^63', [0x8d, ...Array(7).fill(0), 0x80], /wants 9223372036854776000 bytes/],
    ['bytes of 2^63', [0x8e, ...Array(7).fill(0), 0x80], /wants 9223372036854776000 bytes/],
    ['a frame of 2^63', [0x95, ...Array(7).fill(0), 0x80], /frame longer than the file/],
    ['an integer of 2 GiB', [0x8b, 0xff, 0xff, 0xff, 0x7f], /integer of 2147483647 bytes/],
    ['an integer of negative length', [0x8b, 0xff, 0xff, 0xff, 0xff], /integer of -1 bytes/],
    ['text that is not UTF-8', [0x58, 1, 0, 0, 0, 0xff], /not UTF-8/],
    ['a digit string of a million', [0x49, ...Array(1_000_000).fill(0x39), 0x0a], /for an integer/],
    ['a key set twice', twice, /sets 'w' twice/],
    ['a key without a value', [...py.dict(), 0x28, ...py.str('w'), 0x75], /key without a value/],
    ['items of a number', [...py.int(1), 0x28, ...py.str('w'), ...py.int(1), 0x75], /not a dict/],
    ['appending to a dict', [...py.dict(), ...py.int(1), 0x61], /not a list/],
    ['state of a number', py.build(py.int(1), py.dict()), /state of something that has none/],
    ['calling a string', py.call(py.str('os.system')), /not a named function/],
    ['calling without a tuple', [...py.global('torch', 'Size'), 0x4e, 0x52], /without a tuple/],
    ['a name that is not text', [...py.int(1), ...py.int(2), 0x93], /something that is not text/],
    [
      'a tensor without a storage',
      py.call(py.global('torch._utils', '_rebuild_tensor_v2')),
      /no storage/,
    ],
    ['a persistent object of another kind', py.persistent(py.str('x')), /persistent object/],
    [
      'a parameter of a number',
      py.call(py.global('torch._utils', '_rebuild_parameter'), py.int(1)),
      /not a tensor/,
    ],
    [
      'an OrderedDict from a number',
      py.call(py.global('collections', 'OrderedDict'), py.int(1)),
      /list of pairs/,
    ],
    [
      'an OrderedDict from singles',
      py.call(py.global('collections', 'OrderedDict'), py.list(py.int(1))),
      /not a pair/,
    ],
  ];
  test.each(cases)('refused: %s', (_, code, says) => {
    expect(refusal(checkpoint(code))).toMatch(says);
  });

  test('one long list given to many calls stops early', () => {
    const pairs = py.list(...Array.from({ length: 2000 }, (_, i) => py.tuple(py.int(i), py.none)));
    const again = [...py.global('collections', 'OrderedDict'), 0x68, 0, 0x52, 0x30];
    const many = Array.from({ length: 2000 }, () => again).flat();
    const code = [...pairs, 0x85, 0x71, 0, 0x30, ...many, 0x4e];
    expect(refusal(checkpoint(code))).toMatch(/refused as a bomb/);
  });

  test('200,000 nested tuples, lists that hold each other and billions of laughs are only data', () => {
    const host = { call: () => undefined, persistent: () => null, mentioned: () => undefined };
    const nested = [...py.none, ...Array(200_000).fill(0x85)];
    expect(readPickle(py.file(nested), host, 'w')).toBeTypeOf('object');
    // Each list holds the one before ten times: 10^60 leaves in 1.5 kB, if anyone walked them.
    let laughs: number[] = py.list(py.int(1));
    for (let i = 0; i < 60; i++)
      laughs = [...laughs, 0x71, i, 0x30, ...py.list(...Array(10).fill([0x68, i]))];
    expect(readPickle(py.file(laughs), host, 'w')).toHaveLength(10);
    expect(refusal(checkpoint(laughs))).toMatch(/a list, expected a state_dict/);
    const started = performance.now();
    expect(refusal(checkpoint(dict(['w', tensor({ size: laughs })])))).toMatch(/size/);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test('a rebuilt type whose arguments hold the call itself', () => {
    const callee = py.global('torch._tensor', '_rebuild_from_type_v2');
    const inner = py.tuple(callee, py.global('torch', 'Tensor'), py.tuple());
    expect(
      refusal(checkpoint(py.call(callee, callee, py.global('torch', 'Tensor'), inner))),
    ).toMatch(/call torch\._tensor\._rebuild_from_type_v2/);
  });
});

test('cut anywhere, a checkpoint is refused', () => {
  const file = checkpoint(dict(['w', tensor()]));
  expect(outcome(file)).toBe(6);
  for (let length = 0; length < file.length; length++) {
    expect(typeof outcome(file.slice(0, length)), `${length} bytes`).toBe('string');
  }
});

test('a pickle cut anywhere inside a whole zip is refused', () => {
  const pickle = py.file(dict(['w', tensor()]));
  for (let length = 0; length < pickle.length; length++) {
    expect(typeof outcome(checkpoint(pickle.slice(0, length))), `${length} bytes`).toBe('string');
  }
});
