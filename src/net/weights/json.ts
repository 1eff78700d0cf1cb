import { quote } from './text.js';

/** A number as it was written, so that no digit is lost before it is judged. */
export class JsonNumber {
  constructor(readonly text: string) {}
}

/** What JSON can say; objects are maps, so that no key is special. */
export type JsonValue = null | boolean | string | JsonNumber | JsonValue[] | Map<string, JsonValue>;

/** A fault in JSON text: what, and at which character. */
export class JsonFault extends Error {}

const MAX_DEPTH = 16;
const MAX_VALUES = 2_000_000; // a header of 100,000 tensors has about 800,000
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;

/**
 * Reads JSON strictly: a key given twice in an object is a fault (`JSON.parse` would silently keep the last),
 * as are more than 16 levels or 2 million values. Throws `JsonFault`.
 */
export function parseJson(text: string): JsonValue {
  let at = 0;
  let values = 0;

  const fault = (expected: string): never => {
    const got = at < text.length ? quote(text[at]) : 'the end';
    throw new JsonFault(`character ${at}: got ${got}, expected ${expected}`);
  };
  const space = () => {
    SPACE.lastIndex = at;
    SPACE.test(text);
    at = SPACE.lastIndex;
  };
  /** Steps over `char` and the space after it, if it is there. */
  const take = (char: string): boolean => {
    if (text[at] !== char) return false;
    at++;
    space();
    return true;
  };

  const string = (): string => {
    if (text[at] !== '"') fault('a string');
    const start = at++;
    let plain = true;
    for (; ; at++) {
      const code = text.charCodeAt(at);
      if (Number.isNaN(code) || code < 0x20) fault("a closing '\"'");
      if (code === 0x22) break;
      if (code === 0x5c) {
        plain = false;
        at++;
      }
    }
    at++;
    if (plain) return text.slice(start + 1, at - 1);
    try {
      return JSON.parse(text.slice(start, at)) as string;
    } catch {
      throw new JsonFault(`character ${start}: a string with an escape that JSON does not have`);
    }
  };

  const word = <T>(letters: string, meaning: T): T => {
    if (!text.startsWith(letters, at)) fault('a value');
    at += letters.length;
    return meaning;
  };

  const value = (depth: number): JsonValue => {
    if (depth > MAX_DEPTH) throw new JsonFault(`character ${at}: more than ${MAX_DEPTH} levels`);
    if (++values > MAX_VALUES) throw new JsonFault(`more than ${MAX_VALUES} values`);
    switch (text[at]) {
      case '{': {
        const object = new Map<string, JsonValue>();
        take('{');
        if (take('}')) return object;
        do {
          const start = at;
          const key = string();
          if (object.has(key)) {
            throw new JsonFault(`character ${start}: the key ${quote(key)} is given twice`);
          }
          space();
          if (!take(':')) fault("':'");
          object.set(key, value(depth + 1));
          space();
        } while (take(','));
        if (!take('}')) fault("',' or '}'");
        return object;
      }
      case '[': {
        const list: JsonValue[] = [];
        take('[');
        if (take(']')) return list;
        do {
          list.push(value(depth + 1));
          space();
        } while (take(','));
        if (!take(']')) fault("',' or ']'");
        return list;
      }
      case '"':
        return string();
      case 't':
        return word('true', true);
      case 'f':
        return word('false', false);
      case 'n':
        return word('null', null);
      default: {
        NUMBER.lastIndex = at;
        const number = NUMBER.exec(text) ?? fault('a value');
        at += number[0].length;
        return new JsonNumber(number[0]);
      }
    }
  };

  space();
  const result = value(1);
  space();
  if (at < text.length) fault('the end');
  return result;
}
