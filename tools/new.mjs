// `npm run new -- kernel conv1d [family]`, `-- method my-cam`, `-- network my_net`: copies the templates with the names filled in, and
// says what is left to do. The copies compile, and a new kernel's test passes, before anything in them is changed.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const templates = new URL('templates/', import.meta.url);

/** Folders of shaders/. */
const families = [
  ...['conv', 'matmul', 'pool', 'attention', 'norm', 'activation', 'reduce', 'image', 'cam'],
  ...['mask', 'fft', 'rank', 'segment', 'winograd'],
];

const kebab = {
  pattern: /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/,
  like: 'small letters, digits and hyphens',
};
const snake = { pattern: /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/, like: 'small letters, digits and _' };

/** Words that cannot name a constant, or would hide what the template imports. */
const taken = new Set(
  (
    'arguments await break case catch class const continue debugger default delete do else enum eval export extends false ' +
    'finally for function if implements import in instanceof interface let new null package private protected public ' +
    'return static super switch this throw true try typeof undefined var void while with yield ' +
    'direct kernel index record'
  ).split(' '),
);

const kinds = {
  kernel: {
    names: kebab,
    example: 'conv1d',
    files: ({ file, family }) => ({
      'kernel.wgsl': `shaders/${family}/${file}.wgsl`,
      'kernel.ts': `src/kernels/${file}.ts`,
      'kernel.test.ts': `test/kernels/${file}.test.ts`,
    }),
    next: ({ file, name }) => [
      'write the formula: shader header and body, the shapes, options and flops of the spec, the reference of the test',
      `src/kernels/index.ts: export * from './${file}.js';`,
      `src/kernels/record-all.ts: import ${name}, and export its record function as the others are`,
      'node tools/kernel-table.mjs, which adds its row to docs/kernels.md',
    ],
  },
  method: {
    names: kebab,
    example: 'my-cam',
    files: ({ file }) => ({ 'method.ts': `src/cam/${file}.ts` }),
    next: ({ name, given }) => [
      'write the formula, the paper with the number of its equation, and options where libraries differ',
      `src/cam/registry.ts: import ${name} and add it to the list; the shared tests, the command and the page take it from there`,
      `test/cam/methods.test.ts: what the paper promises, and ${given}'s formula in float64; docs/methods.md: its row`,
    ],
  },
  network: {
    names: snake,
    example: 'my_net',
    files: ({ file }) => ({ 'network.ts': `src/net/zoo/${file}.ts` }),
    next: ({ name, given }) => [
      'write the layers with the names that the weights have, default layer, preprocessing and smallest input',
      `src/net/zoo/index.ts: import ${name} and add it to the list`,
      `npm run test:golden -- -t ${given}, or a test against logits that PyTorch gave`,
    ],
  },
};

/** Ends with one line and status 2. */
function refuse(message) {
  process.stderr.write(`new: ${message}\n`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({ options: { root: { type: 'string' } }, allowPositionals: true });
  } catch (error) {
    return refuse(error.message);
  }
}

const { values, positionals } = parse();
const [kindName, given, family = 'activation', ...more] = positionals;
const root = values.root ?? fileURLToPath(new URL('..', import.meta.url));
const usage = 'npm run new -- kernel <name> [family] | method <name> | network <name>';
const kind = Object.hasOwn(kinds, kindName ?? '') ? kinds[kindName] : undefined;
if (!kind) {
  refuse(`${kindName ? `${kindName} should be` : 'say'} kernel, method or network: ${usage}`);
}
if (given === undefined) refuse(`a name for the ${kindName} is missing, such as ${kind.example}`);
if (more.length > 0 || (positionals.length > 2 && kindName !== 'kernel')) {
  refuse(`${positionals.at(-1)} is one word too many: ${usage}`);
}
if (!kind.names.pattern.test(given)) {
  refuse(`${given} should be ${kind.names.like}, begin with a letter, such as ${kind.example}`);
}
if (!families.includes(family)) {
  refuse(`shaders/${family}/ is no folder of shaders: choose ${families.join(', ')}`);
}

const words = given.split(/[-_]/);
const capital = (word) => word[0].toUpperCase() + word.slice(1);
const name = words.map((word, i) => (i === 0 ? word : capital(word))).join('');
if (taken.has(name)) refuse(`${given} cannot be used: it would give a constant called ${name}`);
const names = { given, file: words.join('-'), family, name };

const replacements = [
  ['template-family', family],
  ['template-name', names.file],
  ['template_name', words.join('_')],
  ['Template Name', words.map(capital).join(' ')],
  ['TemplateName', words.map(capital).join('')],
  ['templateName', name],
];
const files = Object.entries(kind.files(names));
for (const [, path] of files) {
  if (existsSync(join(root, path))) refuse(`${path} is there already: choose another name`);
}
for (const [template, path] of files) {
  let text = (await readFile(new URL(template, templates), 'utf8')).replaceAll('\r\n', '\n');
  for (const [from, to] of replacements) text = text.replaceAll(from, to);
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text, { flag: 'wx' });
  process.stdout.write(`wrote ${path}\n`);
}
const steps = [...kind.next(names), 'npm run format && npm test'];
process.stdout.write(`Next:\n${steps.map((step, i) => `  ${i + 1}. ${step}\n`).join('')}`);
