// Writes the table of kernels into docs/kernels.md, between the two markers there; with `--check` it only compares, and fails if the
// committed table is another. Shapes, variants and shader files come from the specs themselves, what a kernel does and its options
// from the declarations beside them.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const begin = '<!-- kernels: written by `node tools/kernel-table.mjs` -->';
const end = '<!-- /kernels -->';

/** Folders of shaders/, in the order data passes them. */
const families = {
  image: 'Images: photos in, pictures out',
  conv: 'Convolution',
  winograd: "Convolution by Winograd's tiles",
  matmul: 'Linear layers',
  pool: 'Pooling',
  attention: 'Attention',
  norm: 'Normalisation',
  activation: 'Elementwise, and parts of tensors',
  reduce: 'Rows and reductions',
  rank: 'Order statistics and ranking',
  fft: 'Fourier transforms',
  cam: 'Saliency maps',
  mask: 'Masks',
  segment: 'Superpixels',
};

/** All kernels by export name, with the path of its shader in place of each variant's code. */
async function specs() {
  const shaderPaths = {
    name: 'shader-paths',
    setup({ onLoad }) {
      onLoad({ filter: /\.wgsl$/ }, ({ path }) => ({
        contents: path.slice(path.lastIndexOf('shaders')).replaceAll('\\', '/'),
        loader: 'text',
      }));
    },
  };
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ['src/kernels/index.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    plugins: [shaderPaths],
    logLevel: 'warning',
  });
  const code = Buffer.from(outputFiles[0].contents).toString('base64');
  const exports = await import(`data:text/javascript;base64,${code}`);
  return new Map(
    Object.entries(exports)
      .filter(([, value]) => value?.spec?.variants)
      .map(([name, { spec }]) => [name, spec]),
  );
}

/** What the sources say in types and comments, which a spec does not keep: by export name. */
async function declarations() {
  const folder = join(root, 'src/kernels');
  const types = new Map();
  const kernels = new Map();
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.ts')).sort()) {
    const text = await readFile(join(folder, file), 'utf8');
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    for (const statement of source.statements) {
      if (ts.isInterfaceDeclaration(statement)) types.set(statement.name.text, statement);
      if (ts.isTypeAliasDeclaration(statement)) types.set(statement.name.text, statement.type);
      if (!ts.isVariableStatement(statement)) continue;
      for (const { name, initializer } of statement.declarationList.declarations) {
        if (initializer && ts.isCallExpression(initializer)) {
          if (initializer.expression.getText() !== 'kernel') continue;
          kernels.set(name.text, {
            file: `src/kernels/${file}`,
            about: firstSentence(statement),
            options: optionsOf(initializer.arguments[0]),
          });
        }
      }
    }
  }
  for (const entry of kernels.values()) entry.options = members(entry.options, types);
  return kernels;
}

/** The comment's first sentence, in one line. */
function firstSentence(node) {
  const [comment] = ts.getJSDocCommentsAndTags(node);
  const text = ts.getTextOfJSDocComment(comment?.comment) ?? '';
  return text
    .split(/(?<=[^.\s]\.)(?<![\s(][A-Z]\.)\s/)[0] // not at the two dots of `k0 .. k1`, nor behind an initial
    .replace(/\{@link (\w+)\}/g, '`$1`')
    .replace(/\s+/g, ' ')
    .trim();
}

/** The type of `derive`'s second parameter. */
function optionsOf(spec) {
  const derive = spec.properties.find((property) => property.name?.getText() === 'derive');
  return derive?.initializer?.parameters[1]?.type;
}

/** Names of a type's members, those of the types it extends first; `?` where one may be left out. */
function members(type, types) {
  if (type === undefined) return [];
  if (ts.isIntersectionTypeNode(type)) return type.types.flatMap((part) => members(part, types));
  if (ts.isTypeLiteralNode(type) || ts.isInterfaceDeclaration(type)) {
    const inherited = (type.heritageClauses ?? []).flatMap((clause) =>
      clause.types.flatMap((base) => members(types.get(base.expression.getText()), types)),
    );
    const own = type.members.map((m) => `\`${m.name.getText()}${m.questionToken ? '?' : ''}\``);
    return [...inherited, ...own];
  }
  if (ts.isTypeReferenceNode(type) && type.typeName.getText() === 'Omit') {
    const [whole, left] = type.typeArguments;
    const names = left.getText().match(/\w+/g);
    return members(whole, types).filter((name) => !names.includes(name.match(/\w+/)[0]));
  }
  const named = ts.isTypeReferenceNode(type) && types.get(type.typeName.getText());
  if (!named) throw new Error(`kernel-table: cannot list the options of ${type.getText()}`);
  return members(named, types);
}

const shapes = (tensors, dtypes = {}) =>
  Object.entries(tensors)
    .map(([name, letters]) => {
      const dtype = dtypes[name.replace('?', '')];
      return `\`${name} [${letters}]${dtype ? ` ${dtype}` : ''}\``;
    })
    .join(', ');

const variant = ({ name, on, code }) => `[${name}](../${code})${on ? ` (${on})` : ''}`;

async function table() {
  const declared = await declarations();
  const rows = new Map(Object.keys(families).map((family) => [family, []]));
  for (const [name, spec] of await specs()) {
    const declaration = declared.get(name);
    if (!declaration) {
      throw new Error(
        `kernel-table: ${name} should be declared as \`export const ${name} = kernel(...)\``,
      );
    }
    const { file, about, options } = declaration;
    const family = spec.variants[0].code.split('/')[1];
    if (!rows.has(family)) {
      throw new Error(`kernel-table: ${family}/ is new: give it a title in tools/kernel-table.mjs`);
    }
    const cells = [
      `[${name}](../${file})`,
      about,
      `${shapes(spec.reads, spec.dtypes)} → ${shapes(spec.results, spec.dtypes)}`,
      options.join(' '),
      spec.variants.map(variant).join(', '),
    ];
    rows.get(family).push(`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`);
  }
  const filled = [...rows].filter(([, lines]) => lines.length > 0);
  return filled
    .map(([family, lines]) =>
      [
        `### ${families[family]} (\`shaders/${family}/\`)`,
        '',
        '| kernel | what | reads → results | options | variants, best first |',
        '| --- | --- | --- | --- | --- |',
        ...lines,
      ].join('\n'),
    )
    .join('\n\n');
}

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const path = positionals[0] ?? join(root, 'docs/kernels.md');
const text = (await readFile(path, 'utf8')).replaceAll('\r\n', '\n');
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (from < 0 || to < from) throw new Error(`kernel-table: ${path} should hold ${begin} and ${end}`);
const wanted = `${text.slice(0, from)}${begin}\n\n${await table()}\n\n${text.slice(to)}`;
if (values.check) {
  if (wanted !== text) {
    process.stderr.write(`kernel-table: ${path} is stale: run \`node tools/kernel-table.mjs\`\n`);
    process.exitCode = 1;
  }
} else {
  await writeFile(path, wanted);
}
