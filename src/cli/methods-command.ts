import { Command } from 'commander';
import { isSigned, type Method, type OptionSpec } from '../cam/method.js';
import { profiles } from '../cam/profiles.js';
import { methods, wrappers } from '../cam/registry.js';
import { jsonOption } from './flags.js';
import { type Io, json } from './io.js';

/** `webgpu-cam methods`. */
export function methodsCommand(io: Io): Command {
  return new Command('methods')
    .description('list the methods: names for --method, options with defaults, presets, papers')
    .addOption(jsonOption())
    .action((flags: { readonly json?: boolean }) => {
      if (flags.json) io.stdout.write(json([...methods.values()].map(plain)));
      else io.stdout.write(described());
    });
}

/** A method, and what its wrappers make of it: their names, papers, and the options that they add. */
const plain = (method: Method) => {
  const { name, title, paper, layers, usesTarget, options, presets = {} } = method;
  const wrapped = [...wrappers.values()].flatMap((wrap) => {
    const { name, title, paper } = wrap(method);
    // A method of that name goes first: smooth-grad-cam++.
    return methods.has(name) ? [] : [{ name, title, paper, options: addedBy(wrap, method) }];
  });
  const signed = isSigned(method);
  return { name, title, paper, layers, usesTarget, signed, options, presets, wrappers: wrapped };
};

/** Options that a wrapper adds to a method's own. */
const addedBy = (wrap: (method: Method) => Method, method: Method): Method['options'] =>
  Object.fromEntries(
    Object.entries(wrap(method).options).filter(([option]) => !(option in method.options)),
  );

function described(): string {
  const lines: string[] = [];
  for (const method of methods.values()) {
    const notes = [
      method.layers === 'many' ? 'takes several layers' : '',
      method.layers === 'none' ? 'takes no layer' : '',
      method.usesTarget ? '' : 'does not depend on the class',
      isSigned(method) ? 'signed: red speaks for the class, blue against it' : '',
    ].filter(Boolean);
    lines.push(`${method.name}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`);
    lines.push(`    ${method.paper}`);
    for (const [name, spec] of Object.entries(method.options)) lines.push(optionLine(name, spec));
    for (const [preset, values] of Object.entries(method.presets ?? {})) {
      const same = Object.entries(values).map(([name, value]) => `${name}=${value}`);
      lines.push(`    preset=${preset}  ${same.join(', ')}`);
    }
  }
  const [example] = methods.values();
  lines.push(
    '',
    `wrappers: put one before any name, as in ${[...wrappers.keys()][0]}-${example.name}`,
  );
  for (const [prefix, wrap] of wrappers) {
    const wrapped = wrap(example);
    const added = (text: string, own: string) => text.slice(own.length).replace(/^[;, ]+/, '');
    lines.push(`${prefix}-  ${added(wrapped.title, example.title)}`);
    lines.push(`    ${added(wrapped.paper, example.paper)}`);
    for (const [name, spec] of Object.entries(addedBy(wrap, example))) {
      lines.push(optionLine(name, spec));
    }
  }
  lines.push('', 'profiles (--profile)');
  for (const [name, { about }] of Object.entries(profiles)) lines.push(`    ${name}: ${about}`);
  return `${lines.join('\n')}\n`;
}

function optionLine(name: string, spec: OptionSpec): string {
  const choices = spec.choices ? ` (${spec.choices.join(', ')})` : '';
  return `    ${name}=${spec.default}${choices}  ${spec.about}`;
}
