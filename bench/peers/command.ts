import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodeOf, replaceFile } from '../rows.js';
import { ownVersion, progressOn } from '../runtime.js';
import { between } from '../section.js';
import { peerCases, selectCases } from './cases.js';
import { chart } from './chart.js';
import { type PeersFlags, parseFlags, usageText } from './flags.js';
import type { PeerName } from './peer.js';
import { markdown, type PeersFile, summary } from './report.js';
import type { CaseResult } from './rounds.js';
import { pooled, together } from './runs.js';

/** `npm run bench:peers`: flags in, report on stdout, progress on stderr, files out. @returns the exit code. */
export const main = (
  root: string,
  args: readonly string[],
  script: () => Promise<string>,
): Promise<number> => exitCodeOf('bench:peers', () => run(root, args, script));

/** Maps of Score-CAM: all that AlexNet has, and what a software adapter gets through. */
const most = 256;
const few = 4;

async function run(
  root: string,
  args: readonly string[],
  script: () => Promise<string>,
): Promise<number> {
  const flags = parseFlags(args);
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  if (flags.help) {
    print(usageText);
    return 0;
  }
  // Names are checked before a browser is started.
  const listed = selectCases(peerCases(flags.maps ?? few), flags.cases, 'gpu');
  if (flags.list) {
    for (const { id, group, about, quick } of listed) {
      print(`${quick ? ' ' : '*'} ${id}  [${group}] ${about}`);
    }
    print('* not on a software adapter unless asked for');
    return 0;
  }
  const places = placesOf(root, flags);
  if (flags.write) between(readFileSync(places.page, 'utf8'), '', places.page, 'peers');
  const older = flags.add ? readOlder(places.json) : undefined;

  if (flags.chrome !== undefined) {
    if (!existsSync(flags.chrome)) {
      throw new RangeError(`--chrome ${flags.chrome}: no such file`);
    }
    process.env.CHROME_PATH = flags.chrome;
  }
  if (flags.gpu) process.env.CHROME_ADAPTER = 'gpu';
  // Looks for a Chrome when it is loaded.
  const { adapterOf, measureInChrome, tooLong } = await import('./chrome.js');
  const host = progressOn(print);
  const settings = {
    ...{ root, script: await script(), version: ownVersion(root) },
    ...{ peers: flags.peers, limitS: flags.limitS, rounds: 1, maps: 1 },
    // Also without a terminal: a run takes long.
    progress: (line: string) =>
      process.stderr.isTTY ? void host.progress(line) : void process.stderr.write(`${line}\n`),
  };
  const { adapter, kind, chrome } = await adapterOf(settings);
  if (older && older.adapter !== adapter) {
    throw new RangeError(`--add: the earlier results are of ${older.adapter}, this is ${adapter}`);
  }
  const isGpu = kind === 'gpu';
  const { rounds = isGpu ? 3 : 2, maps = isGpu ? most : few, runs } = flags;
  const all = peerCases(maps);
  const cases = selectCases(all, flags.cases, kind);
  host.say(
    `${adapter} (${kind}), Chrome ${chrome}: ${cases.length} of ${all.length} cases${runs > 1 ? `, ${runs} runs` : ''}`,
  );

  const file = (results: PeersFile['cases'], versions: Record<string, string>): PeersFile => {
    const merged = together(all, results, older?.cases ?? []);
    return {
      ...{ runtime: `chrome ${chrome}`, date: new Date().toISOString(), adapter, kind },
      versions: { 'webgpu-cam': settings.version, ...older?.versions, ...versions },
      settings: { peers: flags.peers, rounds, runs, maps, limitS: flags.limitS },
      cases: merged,
      notRun: all
        .filter(({ id }) => !merged.some((c) => c.id === id))
        .map(({ id, about }) => ({ id, about })),
    };
  };
  const found = new Map<string, CaseResult[]>();
  const results = () =>
    cases.flatMap(({ id, maps }): PeersFile['cases'] => {
      const own = found.get(id);
      return own ? [{ ...pooled(own), ...(maps && { maps }) }] : [];
    });
  const versions: Record<string, string> = { platform: `${process.platform} ${process.arch}` };
  // All cases before the next run, so that a quarter of an hour that the machine is busy does not spoil all runs of a case.
  const turns = Array.from({ length: runs }, () => cases).flat();
  for (const [i, c] of turns.entries()) {
    const skipped = new Map<PeerName, string>();
    const before = results();
    for (const peer of flags.peers) {
      const reason = tooLong(c, peer, before, flags.limitS);
      if (reason !== undefined) skipped.set(peer, reason);
    }
    const prefix = `${i + 1}/${turns.length} `;
    const own = {
      ...settings,
      rounds,
      maps,
      progress: (l: string) => settings.progress(prefix + l),
    };
    const answer = await measureInChrome(own, c, skipped);
    if (answer.adapters.length > 1) {
      throw new Error(`peers were given several adapters: ${answer.adapters.join('; ')}`);
    }
    found.set(c.id, [...(found.get(c.id) ?? []), answer.result]);
    Object.assign(versions, answer.versions);
    for (const line of summary(answer.result)) host.say(line);
    // A run that is broken off leaves what it has.
    await replaceFile(places.json, jsonOf(file(results(), versions)));
  }
  // As read back, so that the tables are those of the JSON.
  const done = JSON.parse(jsonOf(file(results(), versions))) as PeersFile;
  const text = markdown(done);
  const report = flags.write
    ? between(readFileSync(places.page, 'utf8'), text, places.page, 'peers')
    : `${text}\n`;
  await replaceFile(places.page, report);
  await replaceFile(places.chart, await chart(done));
  for (const place of Object.values(places)) print(`written: ${place}`);
  return 0;
}

/** Where a report goes: into the docs, or all into one folder. */
function placesOf(root: string, { write, out }: PeersFlags) {
  const folder = write ? join(root, 'docs') : (out ?? join(root, 'bench', 'results'));
  return {
    json: join(folder, 'peers.json'),
    page: join(folder, write ? 'performance.md' : 'peers.md'),
    chart: join(folder, ...(write ? ['images'] : []), 'peers.svg'),
  };
}

/** With four digits, which are more than was measured and half the file. */
const jsonOf = (file: PeersFile): string =>
  `${JSON.stringify(file, (_, value) => (typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value), 1)}\n`;

function readOlder(path: string): PeersFile | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const file = JSON.parse(readFileSync(path, 'utf8')) as PeersFile;
    if (Array.isArray(file.cases) && typeof file.adapter === 'string') return file;
  } catch {
    throw new RangeError(`--add: ${path} is no JSON`);
  }
  throw new RangeError(`--add: ${path} was not written by this command`);
}
