import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { networkNamed } from '../../src/net/zoo/index.js';
import { ownVersion, progressOn, type Runtime } from '../runtime.js';
import { chart } from './chart.js';
import { parseFlags, usageText } from './flags.js';
import { type ScoreCamFile, table } from './report.js';

/**
 * `npm run bench -- score-cam`: flags in, report on stdout, progress on stderr, JSON and a chart in files. @returns the exit code.
 *
 * @throws RangeError, LayerError with one line on what is wrong.
 */
export async function scoreCamCommand(
  root: string,
  args: readonly string[],
  runtime: Runtime,
): Promise<number> {
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  const { settings, help, ...files } = parseFlags(args);
  if (help) {
    print(usageText);
    return 0;
  }
  // Before a device, or a browser, is started.
  for (const name of settings.networks) networkNamed(name);

  const { result, ...ran } = await runtime.scoreCam(settings, progressOn(print));
  if (result.wrong.length > 0) {
    for (const line of result.wrong) process.stderr.write(`bench score-cam: ${line}\n`);
    return 1;
  }
  const file: ScoreCamFile = {
    runtime: ran.runtime,
    versions: { 'webgpu-cam': ownVersion(root), ...ran.versions },
    date: new Date().toISOString(),
    ...result,
  };
  for (const line of table(file)) print(line);
  print('');
  print(`${file.runtime}, ${file.adapter}, ${file.date}`);
  const at = (ending: string) =>
    join(root, 'bench', 'results', `score-cam-${runtime.name}.${ending}`);
  for (const [path, text] of [
    [files.json ?? at('json'), `${JSON.stringify(file, null, 2)}\n`],
    [files.svg ?? at('svg'), await chart(file)],
  ]) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    print(`written: ${path}`);
  }
  return 0;
}
