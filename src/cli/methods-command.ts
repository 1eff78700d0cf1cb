import { Command } from 'commander';
import type { Method } from '../cam/method.js';
import { profiles } from '../cam/profiles.js';
import { methods } from '../cam/registry.js';
import { jsonOption } from './flags.js';
import { type Io, json } from './io.js';

/** `webgpu-cam methods`. */
export function methodsCommand(io: Io): Command {
  return new Command('methods')
    .description('list the methods: names for --method, options with defaults, papers')
    .addOption(jsonOption())
    .action((flags: { readonly json?: boolean }) => {
      if (flags.json) io.stdout.write(json([...methods.values()].map(plain)));
      else io.stdout.write(described());
    });
}

const plain = ({ name, title, paper, layers, usesTarget, options }: Method) => ({
  name,
  title,
  paper,
  layers,
  usesTarget,
  options,
});

function described(): string {
  const lines: string[] = [];
  for (const method of methods.values()) {
    const notes = [
      method.layers === 'many' ? 'takes several layers' : '',
      method.layers === 'none' ? 'takes no layer' : '',
      method.usesTarget ? '' : 'does not depend on the class',
    ].filter(Boolean);
    lines.push(`${method.name}${notes.length > 0 ? ` (${notes.join('; ')})` : ''}`);
    lines.push(`    ${method.paper}`);
    for (const [name, spec] of Object.entries(method.options)) {
      const choices = spec.choices ? ` (${spec.choices.join(', ')})` : '';
      lines.push(`    ${name}=${spec.default}${choices}  ${spec.about}`);
    }
  }
  lines.push('', 'profiles (--profile)');
  for (const [name, { about }] of Object.entries(profiles)) lines.push(`    ${name}: ${about}`);
  return `${lines.join('\n')}\n`;
}
