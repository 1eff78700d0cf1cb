import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { WebgpuCamError } from '../src/errors.js';
import { coreCaps } from '../src/gpu/caps.js';
import { kernelCases, networkCases } from './cases.js';
import { parseFlags, usageText } from './flags.js';
import { type BenchFile, compare, table } from './report.js';
import { ownVersion, progressOn, type Runtime } from './runtime.js';
import { scoreCamCommand } from './score-cam/command.js';

/** The whole command: flags in, report on stdout, progress on stderr, JSON in a file, exit code out. */
export async function command(
  root: string,
  args: readonly string[],
  runtime: Runtime,
): Promise<number> {
  try {
    const [first, ...rest] = args;
    if (first === 'score-cam') return await scoreCamCommand(root, rest, runtime);
    return await commandOrThrow(root, args, runtime);
  } catch (error) {
    const { message, stack } = error as Error;
    const isUsage = error instanceof RangeError || error instanceof WebgpuCamError;
    process.stderr.write(`${isUsage ? message : (stack ?? message)}\n`);
    return 1;
  }
}

async function commandOrThrow(root: string, args: readonly string[], runtime: Runtime) {
  const flags = parseFlags(args);
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  if (flags.help) {
    print(usageText);
    return 0;
  }
  if (flags.list) {
    for (const { id, uses } of kernelCases(coreCaps, flags.selection)) {
      print(`${id}  [${Object.keys(uses).join(', ')}]`);
    }
    for (const { id } of networkCases(flags.selection)) print(id);
    return 0;
  }
  // Read before anything runs: it may be the file that is written at the end.
  const older = flags.compare === undefined ? undefined : readOlder(flags.compare);

  const { result, ...ran } = await runtime.run(flags.selection, progressOn(print));
  const commit = commitOf(root);
  const file: BenchFile = {
    runtime: ran.runtime,
    versions: { 'webgpu-cam': ownVersion(root), ...ran.versions },
    ...(commit !== undefined && { commit }),
    date: new Date().toISOString(),
    ...result,
  };
  for (const line of table(file)) print(line);
  print(`${file.runtime}, ${file.adapter}, commit ${commit ?? 'unknown'}, ${file.date}`);
  if (older) for (const line of compare(older, file)) print(line);
  const path = flags.json ?? join(root, 'bench', 'results', `${runtime.name}.json`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(file, null, 2)}\n`);
  print(`written: ${path}`);
  return file.wrong.length > 0 ? 1 : 0;
}

function readOlder(path: string): BenchFile {
  if (!existsSync(path)) throw new RangeError(`bench: --compare ${path}: no such file`);
  let file: BenchFile;
  try {
    file = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw new RangeError(`bench: --compare ${path}: is no JSON`);
  }
  if (!Array.isArray(file?.measurements)) {
    throw new RangeError(`bench: --compare ${path}: has no measurements, was not written by bench`);
  }
  return file;
}

function commitOf(root: string): string | undefined {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', root, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const commit = git('rev-parse', '--short=12', 'HEAD');
    return git('status', '--porcelain') === '' ? commit : `${commit} + changes`;
  } catch {
    return undefined; // no git, or a copy without its history
  }
}
