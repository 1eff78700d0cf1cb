import { LayerError, nearest } from '../errors.js';
import type { Method, OptionValues } from './method.js';
import { type Profile, profiles } from './profiles.js';

/**
 * A method's options: its defaults, changed by a profile, changed by what was given. Numbers and booleans may come as text.
 *
 * @throws LayerError for an option the method does not have, or a value it does not allow.
 */
export function optionsOf(
  method: Method,
  given: Readonly<Record<string, unknown>> = {},
  profile: Profile = 'paper',
): OptionValues {
  const values: Record<string, number | string | boolean> = {};
  for (const name in method.options) values[name] = method.options[name].default;
  Object.assign(values, profiles[profile].options[method.name]);
  for (const name in given) {
    const spec = method.options[name];
    if (!spec) {
      const names = Object.keys(method.options);
      const hint =
        names.length > 0 ? `nearest are ${nearest(name, names).join(', ')}` : 'it has none';
      throw new LayerError(`${method.name}: no option ${name}: ${hint}`);
    }
    values[name] = parse(method, name, given[name]);
  }
  return values;
}

function parse(method: Method, name: string, value: unknown): number | string | boolean {
  const spec = method.options[name];
  const wrong = (expected: string): never => {
    throw new LayerError(
      `${method.name}: option ${name} is ${JSON.stringify(value)}, should be ${expected}`,
    );
  };
  if (typeof spec.default === 'number') {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    const least = spec.min ?? Number.NEGATIVE_INFINITY;
    if (typeof number !== 'number' || !Number.isFinite(number) || number < least) {
      return wrong(spec.min === undefined ? 'a number' : `a number of at least ${spec.min}`);
    }
    if (Number.isInteger(spec.default) && spec.whole !== false && !Number.isInteger(number)) {
      return wrong('a whole number');
    }
    return number;
  }
  if (typeof spec.default === 'boolean') {
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    return wrong('true or false');
  }
  if (typeof value !== 'string' || (spec.choices && !spec.choices.includes(value))) {
    return wrong(spec.choices ? `one of ${spec.choices.join(', ')}` : 'text');
  }
  return value;
}
