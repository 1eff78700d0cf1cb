import { LayerError, nearest } from '../errors.js';
import type { Method, OptionValues } from './method.js';
import { type Profile, profiles } from './profiles.js';

/**
 * A method's options: its defaults, changed by a profile, by a preset, by what was given. Numbers and booleans may come as text.
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
  Object.assign(
    values,
    profiles[profile].options[method.base ?? method.name],
    presetOf(method, given.preset),
  );
  for (const name in given) {
    if (name === 'preset') continue;
    if (!Object.hasOwn(method.options, name)) {
      const names = Object.keys(method.options);
      const hint =
        names.length > 0 ? `nearest are ${nearest(name, names).join(', ')}` : 'it has none';
      throw new LayerError(`${method.name}: no option ${name}: ${hint}`);
    }
    values[name] = parse(method, name, given[name]);
  }
  return values;
}

function presetOf(method: Method, preset: unknown): OptionValues | undefined {
  if (preset === undefined) return undefined;
  const { presets = {} } = method;
  const name = String(preset);
  if (Object.hasOwn(presets, name)) return presets[name];
  const names = Object.keys(presets);
  throw new LayerError(
    `${method.name}: no preset ${name}: ${names.length > 0 ? `there are ${names.join(', ')}` : 'it has none'}`,
  );
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
    const { min: least = -Infinity, max: most = Infinity, above = -Infinity } = spec;
    const isFine = typeof number === 'number' && Number.isFinite(number);
    if (!isFine || number < least || number > most || number <= above) {
      const limits = [
        spec.above === undefined ? '' : `above ${above}`,
        spec.min === undefined ? '' : `of at least ${least}`,
        spec.max === undefined ? '' : `of at most ${most}`,
      ].filter(Boolean);
      return wrong(['a number', limits.join(' and ')].filter(Boolean).join(' '));
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
