import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { platformGpu } from '#platform';
import type { Choices } from '../src/gpu/caps.js';
import { Gpu } from '../src/gpu/device.js';
import type { Fork } from '../src/gpu/fork.js';
import { Recorder } from '../src/gpu/recorder.js';
import { shapeClass } from '../src/gpu/shape-class.js';
import { shippedChoices } from '../src/gpu/shipped-choices.js';
import type { Measurement } from '../src/gpu/tuner.js';
import { placeholder } from '../src/gpu/value.js';
import { Net } from '../src/net/net.js';

/** What a choice must gain to be shipped: untuned devices trust it for shapes and machines it was not measured with. */
const leastGain = 1.15;
/** Milliseconds that it must save a dispatch on a software adapter: there another variant may take a third of a second more to compile. */
const leastSavedMs = 10;

/** What the runs agree on for one kernel and class. */
export interface Finding {
  /** The kernel's or the fork's name. */
  readonly kernel: string;
  readonly shapeClass: string;
  readonly automatic: string;
  /** The same in all runs; undefined where they disagree. */
  readonly winner: string | undefined;
  /** Milliseconds a dispatch of the automatic choice and of the winner, in the run with the least gain. */
  readonly automaticMs: number;
  readonly winnerMs: number;
  /** What the winner gains and saves at least, in any run. */
  readonly gain: number;
  readonly savedMs: number;
}

export interface TuneResult {
  readonly adapter: string;
  /** What `shippedChoices` has it under. */
  readonly name: string;
  readonly findings: readonly Finding[];
  /** Those that gain enough to be shipped. */
  readonly choices: Choices;
  readonly totalMs: number;
}

/** `node tools/tune.mjs`: times all variants on the layers of networks. @param say told of progress, a line at a time */
export async function tuneNetworks(
  args: readonly string[],
  say: (line: string) => void,
): Promise<TuneResult & { readonly write: boolean }> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      networks: { type: 'string', default: 'alexnet,squeezenet1_1,toy_vgg,toy_alexnet,toy_vit' },
      kernels: { type: 'string', default: '' },
      batch: { type: 'string', default: '1' },
      mode: { type: 'string', default: 'full' },
      runs: { type: 'string', default: '2' },
      forward: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
    },
  });
  if (values.mode !== 'full' && values.mode !== 'first-use') {
    throw new Error(`--mode ${values.mode}: should be full or first-use`);
  }
  const wanted = values.kernels.split(',').filter(Boolean);
  // Neither are choices made earlier on this machine taken over, nor are the user's touched.
  const folder = await mkdtemp(join(tmpdir(), 'webgpu-cam-tune-'));
  // Compared is with each kernel's own order, not with what an earlier run of this put into the package.
  for (const name in shippedChoices) delete (shippedChoices as Record<string, Choices>)[name];
  await platformGpu(); // a software adapter may be unpacked into the usual folder
  const start = performance.now();
  const runs: (readonly Measurement[])[] = [];
  let adapter = { name: '', shipped: '', isSoftware: false };
  try {
    for (let run = 0; run < Number(values.runs); run++) {
      process.env.XDG_CACHE_HOME = join(folder, `${run}`);
      using gpu = await Gpu.request({ tune: values.mode });
      const { vendor = '', architecture = '' } = gpu.info ?? {};
      const shipped = `${vendor} ${architecture}`.toLowerCase();
      adapter = { name: gpu.adapterName, shipped, isSoftware: gpu.isSoftware };
      for (const network of values.networks.split(',')) {
        const { steps, forks } = choicesIn(gpu, network, Number(values.batch), !values.forward);
        const isWanted = (name: string) => wanted.length === 0 || wanted.includes(name);
        const tuner = gpu.tuner!;
        const told = async (work: Promise<void>) => {
          const before = tuner.measured.length;
          await work;
          for (const m of tuner.measured.slice(before)) {
            say(`run ${run + 1}, ${network}: ${line(m)}`);
          }
        };
        for (const step of steps) if (isWanted(step.plan.kernel)) await told(tuner.settle([step]));
        for (const fork of forks) if (isWanted(fork.name)) await told(tuner.settleForks([fork]));
      }
      runs.push(gpu.tuner!.measured);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const findings = agreed(runs);
  const choices = worthShipping(findings, adapter.isSoftware);
  const totalMs = performance.now() - start;
  return {
    ...{ adapter: adapter.name, name: adapter.shipped, findings, choices, totalMs },
    write: values.write,
  };
}

/** The choices that gain enough, in every run, for devices that are not tuned. */
export function worthShipping(findings: readonly Finding[], isSoftware: boolean): Choices {
  const choices: Record<string, Record<string, string>> = {};
  for (const { kernel, shapeClass, automatic, winner, gain, savedMs } of findings) {
    if (winner === undefined || winner === automatic) continue;
    if (gain < leastGain || (isSoftware && savedMs < leastSavedMs)) continue;
    choices[kernel] ??= {};
    choices[kernel][shapeClass] = winner;
  }
  return choices;
}

/** The findings as a Markdown table. */
export function table(findings: readonly Finding[]): string {
  const rows = findings.map(
    ({ kernel, shapeClass, automatic, winner, automaticMs, winnerMs }) =>
      `| ${kernel} | ${shapeClass} | ${automatic} | ${winner ?? 'runs disagree'} | ${automaticMs.toFixed(3)} | ${winnerMs.toFixed(3)} |`,
  );
  return [
    '| kernel | class of shapes | automatic | fastest | automatic, ms | fastest, ms |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

/** What there is to choose in a pass of a network to the logits and, if wanted, back to its input. Nothing of it runs: the tuner has memory of its own. */
function choicesIn(gpu: Gpu, network: string, batch: number, isBackward: boolean) {
  const net = Net.describe(network);
  const recorder = Recorder.on(gpu);
  const input = placeholder([batch, 3, ...net.inputSize]);
  const trace = net.trace(recorder, input, isBackward ? { backwardTo: ['input'] } : {});
  const outputs = [trace.output];
  if (isBackward) {
    const seed = placeholder(trace.output.shape);
    outputs.push(...trace.backward(net.graph.output, seed, ['input']).values());
  }
  const { steps } = recorder.schedule(outputs);
  const forks = [...new Set(steps.flatMap(({ taken }) => taken?.fork ?? []))];
  // Large ones first: they stand for their class.
  const size = ({ sizes }: Fork) => Object.values(sizes).reduce((a, b) => a * (b || 1), 1);
  return {
    steps: [...steps].sort((a, b) => b.plan.flops - a.plan.flops),
    forks: forks.sort((a, b) => size(b) - size(a)),
  };
}

const line = ({ kernel, sizes, winner, timesMs }: Measurement): string => {
  const times = Object.entries(timesMs).map(([name, ms]) => `${name} ${ms.toFixed(3)}`);
  return `${kernel} ${shapeClass(sizes)}: ${winner} (ms: ${times.join(', ')})`;
};

/** What several runs agree on, by kernel and class. */
export function agreed(runs: readonly (readonly Measurement[])[]): Finding[] {
  const findings = new Map<string, Finding>();
  for (const m of runs.flat()) {
    const { kernel, shapeClass, automatic, timesMs } = m;
    const name = `${kernel} ${shapeClass}`;
    const known = findings.get(name);
    const winner = known && known.winner !== m.winner ? undefined : m.winner;
    const [automaticMs, winnerMs] = [timesMs[automatic], timesMs[m.winner]];
    const gain = automaticMs / winnerMs;
    const least = known && known.gain <= gain ? known : { automaticMs, winnerMs, gain };
    findings.set(name, {
      ...{ kernel, shapeClass, automatic, winner },
      automaticMs: least.automaticMs,
      winnerMs: least.winnerMs,
      gain: least.gain,
      savedMs: Math.min(known?.savedMs ?? Number.POSITIVE_INFINITY, automaticMs - winnerMs),
    });
  }
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...findings.values()].sort(
    (a, b) => order(a.kernel, b.kernel) || order(a.shapeClass, b.shapeClass),
  );
}
