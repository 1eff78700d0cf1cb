/** Fields for the options of a method: what its `OptionSpec`s say, and a choice of presets. */
import type { Method, OptionSpec } from '../src/index.js';
import { element } from './view.js';

/** Whose fields are shown. */
let shown: string | undefined;

/** Shows fields for a method's options. What was typed stays when the method is only wrapped in another way. */
export function showOptions({ name: own, base = own, options, presets }: Method): void {
  const place = element('options', HTMLElement);
  const typed = base === shown ? chosenOptions() : {};
  shown = base;
  const rows = Object.entries(options).map(([name, spec]) => {
    const field = fieldOf(spec);
    if (typed[name] !== undefined) field.value = typed[name];
    return labelled(name, spec.about, field);
  });
  if (presets) {
    const field = selectOf(Object.keys(presets), 'none');
    rows.unshift(labelled('preset', "whose program's options", field));
  }
  place.replaceChildren(...rows);
  if (rows.length === 0) place.textContent = 'It has none.';
}

/** What the fields say; those left empty are the method's own defaults. */
export function chosenOptions(): Record<string, string> {
  const fields = element('options', HTMLElement).querySelectorAll('input, select');
  const filled = [...(fields as NodeListOf<HTMLInputElement | HTMLSelectElement>)].filter(
    ({ value }) => value !== '',
  );
  return Object.fromEntries(filled.map(({ name, value }) => [name, value]));
}

function labelled(
  name: string,
  about: string,
  field: HTMLInputElement | HTMLSelectElement,
): HTMLLabelElement {
  const label = document.createElement('label');
  field.name = name;
  label.title = about;
  label.append(name, field);
  return label;
}

function fieldOf(spec: OptionSpec): HTMLInputElement | HTMLSelectElement {
  const { default: own, choices, min, max } = spec;
  if (choices) return selectOf(choices, String(own));
  if (typeof own === 'boolean') return selectOf(['true', 'false'], String(own));
  const input = document.createElement('input');
  input.placeholder = String(own);
  if (typeof own === 'number') {
    input.type = 'number';
    input.step = Number.isInteger(own) && spec.whole !== false ? '1' : 'any';
    if (min !== undefined) input.min = String(min);
    if (max !== undefined) input.max = String(max);
  }
  return input;
}

/** A choice whose first line, for the default, is empty. */
function selectOf(names: readonly string[], own: string): HTMLSelectElement {
  const select = document.createElement('select');
  select.append(new Option(`default: ${own}`, ''), ...names.map((name) => new Option(name, name)));
  return select;
}
