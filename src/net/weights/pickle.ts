import { WeightsError } from '../../errors.js';
import { quote } from './text.js';

// A pickle is a program for a small stack machine. This one builds plain data and nothing else: a class is a
// name, never imported, and a call is looked up in the host's list or refused. So the worst a hostile file
// can do is ask; every step costs it at least one byte, and copies are counted against its length.

/** A class or function the pickle mentions by name. */
export class PickleGlobal {
  constructor(readonly path: string) {}
}

/** What a call that was stepped over would have made. */
export class Opaque {
  constructor(readonly path: string) {}
}

/** A Python tuple, to be told from a list. */
export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

/** Python data as JavaScript: dicts are maps, lists and sets arrays, long integers bigints where they must. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleTuple
  | PickleGlobal
  | Opaque
  | object;

/** Who knows what the names in a pickle stand for. */
export interface PickleHost {
  /** The result of calling `path`, or undefined when it is not on the list. `spend` counts items copied. */
  call(
    path: string,
    args: readonly PickleValue[],
    spend: (items: number) => void,
  ): PickleValue | undefined;
  /** The object kept outside the pickle under `id`. */
  persistent(id: PickleValue): PickleValue;
  /** Told of each class or function the pickle mentions. */
  mentioned(path: string): void;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });
const MAX_LONG = 256; // bytes of one integer: no honest one is near, and converting is quadratic

/** Reads a pickle of protocol 0 to 5 as data. Throws `WeightsError`; `where` names the pickle in it. */
export function readPickle(bytes: Uint8Array, host: PickleHost, where: string): PickleValue {
  return new Machine(bytes, host, where).run();
}

class Machine {
  private at = 0;
  private opAt = 0;
  private readonly view: DataView;
  private readonly stack: PickleValue[] = [];
  /** Stack heights at the open marks. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private budget: number;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly host: PickleHost,
    private readonly where: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.budget = 8 * bytes.length + 1024;
  }

  private fault(message: string): never {
    throw new WeightsError(`${this.where}: pickle at byte ${this.opAt} ${message}`);
  }

  private readonly spend = (items: number): void => {
    this.budget -= items;
    if (this.budget < 0) this.fault('copies far more than its length allows: refused as a bomb');
  };

  // Reading operands.

  /** Steps over `count` bytes and returns where they start. */
  private skip(count: number): number {
    const start = this.at;
    if (count > this.bytes.length - start) {
      this.fault(
        `wants ${count} bytes, only ${this.bytes.length - start} are left: truncated file?`,
      );
    }
    this.at += count;
    return start;
  }
  private readonly u8 = () => this.view.getUint8(this.skip(1));
  private readonly u16 = () => this.view.getUint16(this.skip(2), true);
  private readonly u32 = () => this.view.getUint32(this.skip(4), true);
  private readonly i32 = () => this.view.getInt32(this.skip(4), true);
  private readonly u64 = () => Number(this.view.getBigUint64(this.skip(8), true));

  private take(count: number): Uint8Array {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  private text(count: number): string {
    const bytes = this.take(count);
    try {
      return utf8.decode(bytes);
    } catch {
      return this.fault('has a string that is not UTF-8');
    }
  }

  /** A Python 2 byte string: names are ASCII in practice. */
  private narrowText(count: number): string {
    let text = '';
    for (const byte of this.take(count)) text += String.fromCharCode(byte);
    return text;
  }

  private line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) this.fault('has a line without an end: truncated file?');
    const text = this.text(end - this.at);
    this.at++;
    return text;
  }

  private long(count: number): number | bigint {
    if (count < 0 || count > MAX_LONG) this.fault(`has an integer of ${count} bytes`);
    const bytes = this.take(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
    return narrow(BigInt.asIntN(8 * count, value));
  }

  private decimal(text: string): number | bigint | boolean {
    if (text === '00') return false;
    if (text === '01') return true;
    if (!/^[+-]?\d{1,600}L?$/.test(text)) this.fault(`has ${quote(text)} for an integer`);
    return narrow(BigInt(text.replace(/^\+|L$/g, '')));
  }

  // The stack.

  private pop(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fault('takes from an empty stack');
    return this.stack.pop() as PickleValue;
  }

  private top(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fault('looks at an empty stack');
    return this.stack.at(-1) as PickleValue;
  }

  private popMark(): PickleValue[] {
    const mark = this.marks.pop();
    return mark === undefined ? this.fault('has no open mark') : this.stack.splice(mark);
  }

  private popTuple(count: number): PickleTuple {
    const items: PickleValue[] = [];
    for (let i = 0; i < count; i++) items.unshift(this.pop());
    return new PickleTuple(items);
  }

  private recall(index: number): PickleValue {
    const value = this.memo.get(index);
    return value === undefined ? this.fault(`recalls memo ${index}, never kept`) : value;
  }

  // What the operations do.

  private mention(module: string, name: string): PickleGlobal {
    const path = `${module}.${name}`;
    this.host.mentioned(path);
    return new PickleGlobal(path);
  }

  private call(callee: PickleValue, args: PickleValue): PickleValue {
    if (!(callee instanceof PickleGlobal))
      this.fault('calls something that is not a named function');
    if (!(args instanceof PickleTuple)) this.fault(`calls ${quote(callee.path)} without a tuple`);
    const result = this.host.call(callee.path, args.items, this.spend);
    return result === undefined ? this.refuse(`call ${callee.path}`) : result;
  }

  private refuse(what: string): never {
    throw new WeightsError(
      `${this.where}: asks to ${what.replace(/[^\x20-\x7e]/g, '?').slice(0, 120)} (pickle byte ${this.opAt}), ` +
        'which a file of weights has no need of: nothing was run; if you trust its source, save the weights ' +
        "alone with torch.save(model.state_dict(), 'weights.pth')",
    );
  }

  private setItems(target: PickleValue, items: readonly PickleValue[]): void {
    if (items.length % 2) this.fault('sets a key without a value');
    if (target instanceof Opaque) return;
    if (!(target instanceof Map)) this.fault('sets an item of something that is not a dict');
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key === 'string' && target.has(key)) this.fault(`sets ${quote(key)} twice`);
      target.set(key, items[i + 1]);
    }
  }

  private append(target: PickleValue, items: readonly PickleValue[]): void {
    if (target instanceof Opaque) return;
    if (!Array.isArray(target)) this.fault('appends to something that is not a list');
    for (const item of items) target.push(item);
  }

  /** Attributes of a dict or a tensor (PyTorch keeps `_metadata` so) are dropped; other objects have none. */
  private setState(): void {
    this.pop();
    const target = this.top();
    if (target instanceof PickleGlobal) this.refuse(`set the state of ${target.path}`);
    if (target === null || typeof target !== 'object' || target instanceof PickleTuple) {
      this.fault('sets the state of something that has none');
    }
  }

  run(): PickleValue {
    for (;;) {
      this.opAt = this.at;
      const op = this.u8();
      if (op === 0x2e) break; // STOP
      this.step(op);
    }
    const result = this.pop();
    if (this.stack.length > 0) this.fault(`stops with ${this.stack.length} values left over`);
    if (this.at < this.bytes.length) {
      this.fault(`stops, yet ${this.bytes.length - this.at} bytes follow`);
    }
    return result;
  }

  private step(op: number): void {
    const { stack } = this;
    switch (op) {
      case 0x80: {
        const protocol = this.u8();
        if (protocol > 5) this.fault(`is of protocol ${protocol}, expected at most 5`);
        return;
      }
      case 0x95: // FRAME: only a hint for buffering
        if (this.u64() > this.bytes.length - this.at)
          this.fault('has a frame longer than the file');
        return;

      // Constants and numbers.
      case 0x4e: // NONE
        stack.push(null);
        return;
      case 0x88: // NEWTRUE
        stack.push(true);
        return;
      case 0x89: // NEWFALSE
        stack.push(false);
        return;
      case 0x4a: // BININT
        stack.push(this.i32());
        return;
      case 0x4b: // BININT1
        stack.push(this.u8());
        return;
      case 0x4d: // BININT2
        stack.push(this.u16());
        return;
      case 0x8a: // LONG1
        stack.push(this.long(this.u8()));
        return;
      case 0x8b: // LONG4
        stack.push(this.long(this.i32()));
        return;
      case 0x47: // BINFLOAT
        stack.push(this.view.getFloat64(this.skip(8), false));
        return;
      case 0x49: // INT
      case 0x4c: // LONG
        stack.push(this.decimal(this.line()));
        return;
      case 0x46: // FLOAT
        stack.push(Number(this.line()));
        return;

      // Text and bytes.
      case 0x58: // BINUNICODE
        stack.push(this.text(this.u32()));
        return;
      case 0x8c: // SHORT_BINUNICODE
        stack.push(this.text(this.u8()));
        return;
      case 0x8d: // BINUNICODE8
        stack.push(this.text(this.u64()));
        return;
      case 0x54: // BINSTRING
        stack.push(this.narrowText(this.u32()));
        return;
      case 0x55: // SHORT_BINSTRING
        stack.push(this.narrowText(this.u8()));
        return;
      case 0x53: // STRING
      case 0x56: // UNICODE: kept as written, escapes and all; PyTorch writes neither
        stack.push(this.line());
        return;
      case 0x42: // BINBYTES
        stack.push(this.take(this.u32()));
        return;
      case 0x43: // SHORT_BINBYTES
        stack.push(this.take(this.u8()));
        return;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        stack.push(this.take(this.u64()));
        return;

      // Containers.
      case 0x28: // MARK
        this.marks.push(stack.length);
        return;
      case 0x5d: // EMPTY_LIST
      case 0x8f: // EMPTY_SET
        stack.push([]);
        return;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        return;
      case 0x29: // EMPTY_TUPLE
        stack.push(new PickleTuple([]));
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(this.popTuple(op - 0x84));
        return;
      case 0x74: // TUPLE
        stack.push(new PickleTuple(this.popMark()));
        return;
      case 0x6c: // LIST
      case 0x91: // FROZENSET
        stack.push(this.popMark());
        return;
      case 0x64: {
        // DICT
        const dict = new Map<PickleValue, PickleValue>();
        this.setItems(dict, this.popMark());
        stack.push(dict);
        return;
      }
      case 0x61: {
        // APPEND
        const item = this.pop();
        this.append(this.top(), [item]);
        return;
      }
      case 0x65: // APPENDS
      case 0x90: {
        // ADDITEMS
        const items = this.popMark();
        this.append(this.top(), items);
        return;
      }
      case 0x73: {
        // SETITEM
        const value = this.pop();
        const key = this.pop();
        this.setItems(this.top(), [key, value]);
        return;
      }
      case 0x75: {
        // SETITEMS
        const items = this.popMark();
        this.setItems(this.top(), items);
        return;
      }

      // The stack and the memo.
      case 0x30: // POP also takes back a mark with nothing on it
        if (this.marks.at(-1) === stack.length) this.marks.pop();
        else this.pop();
        return;
      case 0x31: // POP_MARK
        this.popMark();
        return;
      case 0x32: // DUP
        stack.push(this.top());
        return;
      case 0x71: // BINPUT
        this.memo.set(this.u8(), this.top());
        return;
      case 0x72: // LONG_BINPUT
        this.memo.set(this.u32(), this.top());
        return;
      case 0x70: // PUT
        this.memo.set(Number(this.decimal(this.line())), this.top());
        return;
      case 0x94: // MEMOIZE
        this.memo.set(this.memo.size, this.top());
        return;
      case 0x68: // BINGET
        stack.push(this.recall(this.u8()));
        return;
      case 0x6a: // LONG_BINGET
        stack.push(this.recall(this.u32()));
        return;
      case 0x67: // GET
        stack.push(this.recall(Number(this.decimal(this.line()))));
        return;

      // Names, and what is asked of them.
      case 0x63: {
        // GLOBAL
        const module = this.line();
        stack.push(this.mention(module, this.line()));
        return;
      }
      case 0x93: {
        // STACK_GLOBAL
        const name = this.pop();
        const module = this.pop();
        if (typeof name !== 'string' || typeof module !== 'string') {
          this.fault('names a class by something that is not text');
        }
        stack.push(this.mention(module, name));
        return;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const args = this.pop();
        stack.push(this.call(this.pop(), args));
        return;
      }
      case 0x92: {
        // NEWOBJ_EX: keyword arguments as well
        this.pop();
        const args = this.pop();
        stack.push(this.call(this.pop(), args));
        return;
      }
      case 0x69: {
        // INST
        const module = this.line();
        const callee = this.mention(module, this.line());
        stack.push(this.call(callee, new PickleTuple(this.popMark())));
        return;
      }
      case 0x6f: {
        // OBJ
        const [callee, ...args] = this.popMark();
        stack.push(this.call(callee ?? null, new PickleTuple(args)));
        return;
      }
      case 0x62: // BUILD
        this.setState();
        return;
      case 0x51: // BINPERSID
        stack.push(this.host.persistent(this.pop()));
        return;
      case 0x50: // PERSID
        stack.push(this.host.persistent(this.line()));
        return;
      case 0x82:
      case 0x83:
      case 0x84: // EXT1, EXT2, EXT4
        this.refuse('use a function from the extension registry');
        break;
      default:
        this.fault(`has the unknown operation 0x${op.toString(16).padStart(2, '0')}`);
    }
  }
}

const narrow = (value: bigint): number | bigint =>
  Number.isSafeInteger(Number(value)) ? Number(value) : value;
