import { WeightsError } from '../../errors.js';
import { DTYPE_BYTES, type Dtype, decode } from './dtype.js';
import {
  Opaque,
  PickleGlobal,
  type PickleHost,
  PickleTuple,
  type PickleValue,
  readPickle,
} from './pickle.js';
import { listed, quote } from './text.js';
import type { WeightEntry } from './types.js';
import { readZip, type ZipEntry } from './zip.js';

// torch.save writes a zip of uncompressed entries under one folder:
//
//   NAME/data.pkl     the object, a pickle in which each tensor names its storage
//   NAME/data/KEY     one storage each, raw numbers
//   NAME/byteorder    "little" or "big" (absent before PyTorch 2.1)

const STORAGES: Readonly<Record<string, Dtype>> = {
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.DoubleStorage': 'F64',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};

/**
 * Classes that checkpoints keep beside their weights. A call of one is stepped over: nothing is made of it,
 * and it must not be found inside the state_dict.
 */
const STEPPED_OVER = new Set([
  '_codecs.encode',
  'argparse.Namespace',
  'collections.Counter',
  'collections.defaultdict',
  'collections.deque',
  'datetime.date',
  'datetime.datetime',
  'datetime.timedelta',
  'numpy.core.multiarray._reconstruct',
  'numpy.core.multiarray.scalar',
  'numpy._core.multiarray._reconstruct',
  'numpy._core.multiarray.scalar',
  'numpy.dtype',
  'pathlib.Path',
  'pathlib.PosixPath',
  'pathlib.PurePosixPath',
  'pathlib.WindowsPath',
  'torch.device',
]);

const SETS = new Set([
  'builtins.set',
  'builtins.frozenset',
  '__builtin__.set',
  '__builtin__.frozenset',
]);

const TENSOR_CLASSES = new Set(['torch.Tensor', 'torch.nn.parameter.Parameter']);

/** Where a state_dict may be nested, in the order they are tried. */
const NESTED = ['state_dict', 'model_state_dict', 'model_state', 'model', 'net', 'network'];
const MAX_NESTING = 4;
const MAX_RANK = 64;

/** Numbers of one type that tensors are views of. */
class Storage {
  constructor(
    readonly className: string,
    readonly dtype: Dtype | undefined,
    readonly count: number,
    readonly data: ZipEntry,
  ) {}
}

/** A strided view of a storage, in elements; proved to lie inside it. */
class TensorView {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/**
 * Reads a checkpoint of PyTorch 1.6 or later: the tensors of its state_dict, wherever it is nested. The pickle
 * is read as data against a closed list of names; nothing is executed. Throws `WeightsError`; `where`
 * names the file in it.
 */
export function parsePytorch(
  bytes: Uint8Array,
  where: string,
): { entries: Map<string, WeightEntry>; metadata: Record<string, string>; notes: string[] } {
  const files = readZip(bytes, where);
  const root = findRoot(files, where);
  checkByteOrder(files.get(`${root}byteorder`), where);

  const reader = new CheckpointReader(files, root, where);
  const pickle = (files.get(`${root}data.pkl`) as ZipEntry).bytes();
  const checkpoint = readPickle(pickle, reader, where);
  const { stateDict, path } = findStateDict(checkpoint, where);

  const notes: string[] = [];
  if (path.length > 0) notes.push(`Took the tensors under ${path.map(quote).join(' > ')}.`);
  const { entries, skipped } = collect(stateDict, where);
  if (skipped.length > 0) notes.push(`Left out what is not a tensor: ${listed(skipped)}.`);
  if (reader.unknown.size > 0) {
    const names = listed([...reader.unknown].map((name) => quote(name)));
    notes.push(`Stepped over mentions of ${names}; nothing was imported.`);
  }
  return { entries, metadata: scalarsOf(checkpoint), notes };
}

/** The folder, with its slash, that holds `data.pkl`. */
function findRoot(files: ReadonlyMap<string, ZipEntry>, where: string): string {
  const names = [...files.keys()];
  const roots = names.filter((name) => /^(?:[^/]*\/)?data\.pkl$/.test(name));
  const root = roots[0]?.slice(0, -'data.pkl'.length);
  if (roots.length > 1) {
    throw new WeightsError(`${where}: ${roots.length} data.pkl in one zip, expected one`);
  }
  const has = (suffix: string) => names.some((name) => name.endsWith(suffix));
  const script = names.some((name) => /^[^/]*\/(?:constants\.pkl|code\/)/.test(name));
  if (script) {
    throw new WeightsError(
      `${where}: a TorchScript program, expected a file of weights: save them alone with torch.save(torch.jit.load('model.pt').state_dict(), 'weights.pth')`,
    );
  }
  if (root !== undefined) return root;
  if (has('model.weights.h5') || has('.weights.h5')) {
    throw new WeightsError(
      `${where}: a Keras model, expected .safetensors or a PyTorch state_dict: save its weights under the network's PyTorch names as .safetensors`,
    );
  }
  if (has('.npy')) {
    throw new WeightsError(
      `${where}: NumPy arrays (.npz), expected .safetensors: write them with safetensors.numpy.save_file(dict(numpy.load('weights.npz')), 'weights.safetensors')`,
    );
  }
  throw new WeightsError(
    `${where}: a zip without data.pkl (it holds ${listed(names.map(quote), 3) || 'nothing'}), expected what torch.save(model.state_dict(), 'weights.pth') writes`,
  );
}

function checkByteOrder(entry: ZipEntry | undefined, where: string): void {
  if (!entry) return;
  const order = new TextDecoder().decode(entry.bytes().subarray(0, 16)).trim();
  if (order !== 'little') {
    throw new WeightsError(
      `${where}: byte order ${quote(order)}, expected 'little': save it again on a little-endian machine`,
    );
  }
}

/** Knows the names that PyTorch's pickles use, and no others. */
class CheckpointReader implements PickleHost {
  /** Names mentioned that are not on any list. */
  readonly unknown = new Set<string>();

  constructor(
    private readonly files: ReadonlyMap<string, ZipEntry>,
    private readonly root: string,
    private readonly where: string,
  ) {}

  private fault(message: string): never {
    throw new WeightsError(`${this.where}: ${message}`);
  }

  mentioned(path: string): void {
    const known =
      path === 'collections.OrderedDict' ||
      path === 'torch.Size' ||
      path.startsWith('torch._utils._rebuild_') ||
      path === 'torch._tensor._rebuild_from_type_v2' ||
      Object.hasOwn(STORAGES, path) ||
      STEPPED_OVER.has(path) ||
      SETS.has(path) ||
      TENSOR_CLASSES.has(path);
    if (!known) this.unknown.add(path);
  }

  call(
    path: string,
    args: readonly PickleValue[],
    spend: (items: number) => void,
  ): PickleValue | undefined {
    switch (path) {
      case 'collections.OrderedDict':
        return this.orderedDict(args, spend);
      case 'torch._utils._rebuild_tensor': // before PyTorch 0.4
      case 'torch._utils._rebuild_tensor_v2':
        return this.tensor(args);
      case 'torch._utils._rebuild_parameter':
      case 'torch._utils._rebuild_parameter_with_state':
        if (args[0] instanceof TensorView) return args[0];
        return this.fault(`${path} is given something that is not a tensor`);
      case 'torch._tensor._rebuild_from_type_v2': {
        // (function, class, its arguments, state): a tensor that had attributes of its own.
        const [rebuild, type, inner] = args;
        const plain = type instanceof PickleGlobal && TENSOR_CLASSES.has(type.path);
        if (!plain || !(rebuild instanceof PickleGlobal) || !(inner instanceof PickleTuple)) {
          return undefined;
        }
        // Not itself again: a tuple may hold itself through the memo, and that would never end.
        return rebuild.path === path ? undefined : this.call(rebuild.path, inner.items, spend);
      }
      case 'torch.Size':
        if (args.length === 1 && args[0] instanceof PickleTuple) return args[0];
        return this.fault('torch.Size is given something that is not a tuple');
      default:
        if (STEPPED_OVER.has(path)) return new Opaque(path);
        if (SETS.has(path) && args.length <= 1) {
          const items = args[0] ?? [];
          return Array.isArray(items) ? items : this.fault(`${path} is given no list`);
        }
        return undefined;
    }
  }

  private orderedDict(args: readonly PickleValue[], spend: (items: number) => void): PickleValue {
    const dict = new Map<PickleValue, PickleValue>();
    if (args.length === 0) return dict;
    const pairs = args[0];
    if (args.length > 1 || !Array.isArray(pairs)) {
      return this.fault('collections.OrderedDict is given something that is not a list of pairs');
    }
    spend(pairs.length); // one list may be given to many calls
    for (const pair of pairs as PickleValue[]) {
      const items = pair instanceof PickleTuple || Array.isArray(pair) ? pair : [];
      const [key, value, ...more] = Array.isArray(items) ? items : items.items.slice(0, 3);
      if (key === undefined || value === undefined || more.length > 0) {
        this.fault('collections.OrderedDict is given something that is not a pair');
      }
      if (dict.has(key)) this.fault(`collections.OrderedDict is given ${describe(key)} twice`);
      dict.set(key, value);
    }
    return dict;
  }

  /** ('storage', class, key, device, element count). */
  persistent(id: PickleValue): PickleValue {
    const [kind, type, key, , count] = id instanceof PickleTuple ? id.items : [];
    if (kind !== 'storage' || !(type instanceof PickleGlobal) || typeof key !== 'string') {
      return this.fault("a persistent object is not ('storage', class, key, device, count)");
    }
    if (!isCount(count)) {
      return this.fault(
        `storage ${quote(key)} has ${describe(count)} elements, expected 0 to 2^53`,
      );
    }
    const data = this.files.get(`${this.root}data/${key}`);
    if (!data) return this.fault(`storage ${quote(key)} is not in the zip: incomplete file?`);
    const dtype = Object.hasOwn(STORAGES, type.path) ? STORAGES[type.path] : undefined;
    if (dtype && data.size !== count * DTYPE_BYTES[dtype]) {
      return this.fault(
        `storage ${quote(key)} has ${data.size} bytes in the zip, ${count} elements of ${dtype} need ${count * DTYPE_BYTES[dtype]}`,
      );
    }
    return new Storage(type.path, dtype, count, data);
  }

  /** (storage, offset, size, stride, ...): whether it requires a gradient, and hooks, do not matter here. */
  private tensor(args: readonly PickleValue[]): TensorView {
    const [storage, offset, size, stride] = args;
    if (!(storage instanceof Storage)) return this.fault('a tensor is given no storage');
    if (!isCount(offset)) return this.fault(`a tensor has offset ${describe(offset)}`);
    const shape = this.counts(size, 'size');
    const strides = this.counts(stride, 'stride');
    const shown = `a tensor of size [${shape}], stride [${strides}] and offset ${offset}`;
    if (shape.length !== strides.length) this.fault(`${shown}: size and stride differ in length`);
    let count = 1;
    let last = offset;
    for (let i = 0; i < shape.length; i++) {
      count *= shape[i];
      last += (shape[i] - 1) * strides[i];
    }
    if (shape.includes(0)) return new TensorView(storage, 0, shape, strides);
    // Sums and products of doubles only grow here, so what is no longer exact is far past the end.
    if (last >= storage.count) {
      this.fault(`${shown} reaches element ${last}, its storage has ${storage.count}`);
    }
    if (count > storage.count) {
      this.fault(
        `${shown} has ${count} elements, its storage only ${storage.count}: save it with .contiguous()`,
      );
    }
    return new TensorView(storage, offset, shape, strides);
  }

  private counts(value: PickleValue | undefined, what: string): number[] {
    const items = value instanceof PickleTuple ? value.items : value;
    if (!Array.isArray(items) || items.length > MAX_RANK || !items.every(isCount)) {
      return this.fault(
        `a tensor's ${what} is ${describe(value)}, expected up to ${MAX_RANK} integers from 0 to 2^53`,
      );
    }
    return [...items];
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'None';
  if (typeof value === 'string') return quote(value);
  if (typeof value !== 'object') return quote(String(value));
  if (value instanceof PickleTuple) {
    const shown = value.items
      .slice(0, 8)
      .map((item) => (typeof item === 'object' ? '?' : `${item}`));
    return quote(`(${listed(shown)}${value.items.length > 8 ? ', ...' : ''})`);
  }
  if (value instanceof PickleGlobal || value instanceof Opaque) return quote(value.path);
  if (value instanceof TensorView) return 'a tensor';
  return value instanceof Map ? 'a dict' : Array.isArray(value) ? 'a list' : 'an object';
}

function findStateDict(checkpoint: PickleValue, where: string) {
  let dict: PickleValue = checkpoint;
  const path: string[] = [];
  if (dict instanceof TensorView) {
    throw new WeightsError(`${where}: a single tensor, expected a state_dict`);
  }
  while (dict instanceof Map && path.length < MAX_NESTING) {
    const level: Map<PickleValue, PickleValue> = dict;
    const key = NESTED.find((name) => level.get(name) instanceof Map);
    if (key === undefined) break;
    path.push(key);
    dict = level.get(key) as PickleValue;
  }
  if (!(dict instanceof Map)) {
    throw new WeightsError(`${where}: the checkpoint is ${describe(dict)}, expected a state_dict`);
  }
  const tensors = [...dict.values()].some((value) => value instanceof TensorView);
  if (!tensors) {
    const keys = listed([...dict.keys()].map(describe));
    throw new WeightsError(
      `${where}: no tensors at the top level nor under ${NESTED.join(', ')}; found ${keys || 'an empty dict'}: save the weights with torch.save(model.state_dict(), 'weights.pth')`,
    );
  }
  return { stateDict: dict as Map<PickleValue, PickleValue>, path };
}

function collect(stateDict: ReadonlyMap<PickleValue, PickleValue>, where: string) {
  const entries = new Map<string, WeightEntry>();
  const skipped: string[] = [];
  for (const [name, value] of stateDict) {
    if (value instanceof Opaque || value instanceof PickleGlobal) {
      throw new WeightsError(
        `${where}: the state_dict asks for ${value.path} under ${describe(name)}, which is not a tensor: save model.state_dict() alone`,
      );
    }
    if (typeof name === 'string' && value instanceof TensorView) {
      entries.set(name, entryOf(name, value, where));
    } else {
      skipped.push(describe(name));
    }
  }
  return { entries, skipped };
}

function entryOf(name: string, tensor: TensorView, where: string): WeightEntry {
  const { storage, shape } = tensor;
  const { dtype } = storage;
  if (!dtype) {
    throw new WeightsError(
      `${where}: tensor ${quote(name)} is kept in ${quote(storage.className)}, expected one of ${Object.keys(STORAGES).join(', ')}`,
    );
  }
  return { name, dtype, shape, read: () => decode(gather(tensor, DTYPE_BYTES[dtype]), dtype) };
}

/** The bytes of a view in row-major order: in place when they lie so, else collected. */
function gather({ storage, offset, shape, strides }: TensorView, size: number): Uint8Array {
  const bytes = storage.data.bytes();
  const count = shape.reduce((a, b) => a * b, 1);
  if (isContiguous(shape, strides)) {
    return bytes.subarray(offset * size, (offset + count) * size);
  }
  const out = new Uint8Array(count * size);
  const index = shape.map(() => 0);
  let from = offset * size;
  for (let to = 0; to < out.length; to += size) {
    for (let b = 0; b < size; b++) out[to + b] = bytes[from + b];
    for (let d = shape.length - 1; d >= 0; d--) {
      from += strides[d] * size;
      if (++index[d] < shape[d]) break;
      from -= shape[d] * strides[d] * size;
      index[d] = 0;
    }
  }
  return out;
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== expected) return false;
    expected *= shape[d];
  }
  return true;
}

/** The numbers and short texts beside a nested state_dict: epoch, architecture, accuracy. */
function scalarsOf(checkpoint: PickleValue): Record<string, string> {
  const scalars: Record<string, string> = Object.create(null);
  if (!(checkpoint instanceof Map)) return scalars;
  for (const [key, value] of checkpoint as Map<PickleValue, PickleValue>) {
    const short = typeof value === 'number' || (typeof value === 'string' && value.length <= 200);
    if (typeof key === 'string' && short) scalars[key] = String(value);
  }
  return scalars;
}
