import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { platformGpu } from '#platform';
import type { Choices } from '../src/gpu/caps.js';
import { Gpu } from '../src/gpu/device.js';
import { Recorder } from '../src/gpu/recorder.js';
import { shapeClass } from '../src/gpu/shape-class.js';
import type { Measurement, Tunable } from '../src/gpu/tuner.js';
import { placeholder, type Value } from '../src/gpu/value.js';
import type { AnyKernel } from '../src/kernels/kernel.js';
import { Net } from '../src/net/net.js';

/** What a choice must gain to be shipped: untuned devices trust it for shapes and machines it was not measured with. */
const leastGain = 1.15;
/** Milliseconds that it must save a dispatch on a software adapter: there another variant may take a third of a second more to compile. */
const leastSavedMs = 10;

/** What the runs agree on for one kernel and class. */
export interface Finding {
  readonly kernel: string;
  readonly shapeClass: string;
  readonly automatic: string;
  /** The same in all runs; undefined where they disagree. */
  readonly winner: string | undefined;
  /** Milliseconds a dispatch of the automatic choice and of the winner, in the run with the least gain. */
  readonly automaticMs: number;
  readonly winnerMs: number;
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
        for (const step of stepsOf(gpu, network, Number(values.batch), !values.forward)) {
          if (wanted.length > 0 && !wanted.includes(step.plan.kernel)) continue;
          const before = gpu.tuner!.measured.length;
          await gpu.tuner!.settle([step]);
          const m = gpu.tuner!.measured[before];
          if (m) say(`run ${run + 1}, ${network}: ${line(m)}`);
        }
      }
      runs.push(gpu.tuner!.measured);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const findings = agreed(runs);
  const choices: Record<string, Record<string, string>> = {};
  for (const { kernel, shapeClass, automatic, winner, automaticMs, winnerMs } of findings) {
    if (winner === undefined || winner === automatic) continue;
    if (automaticMs < leastGain * winnerMs) continue;
    if (adapter.isSoftware && automaticMs - winnerMs < leastSavedMs) continue;
    choices[kernel] ??= {};
    choices[kernel][shapeClass] = winner;
  }
  const totalMs = performance.now() - start;
  return {
    ...{ adapter: adapter.name, name: adapter.shipped, findings, choices, totalMs },
    write: values.write,
  };
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

/** What a network records forward to the logits and, if wanted, back to its input: on memory that nothing was computed into. */
function stepsOf(gpu: Gpu, network: string, batch: number, isBackward: boolean): Tunable[] {
  const net = Net.describe(network);
  const recorder = new Recorder(gpu.caps);
  const steps: Tunable[] = [];
  const { k } = recorder;
  const spy = (kernel: AnyKernel, given: Values, options: object = {}, settings?: object) => {
    const entries = Object.entries(given).flatMap(([name, value]) =>
      value ? [[name, value]] : [],
    );
    const reads: Readonly<Record<string, Value>> = Object.fromEntries(entries);
    const recorded = k(kernel, reads as never, options, settings);
    const plan = kernel.plan(reads, options, { caps: gpu.caps });
    const blanks = Object.fromEntries(
      plan.bindings.map(({ name, shape, dtype }) => [name, recorder.blank(shape, dtype)]),
    );
    const tensors = kernel.order<Value>(
      Object.fromEntries(Object.keys(reads).map((name) => [name, blanks[name]])),
      blanks as never,
    );
    const candidates: Tunable['candidates'] = (caps) =>
      kernel.candidates?.(reads, options, { caps }) ?? [];
    steps.push({ plan, tensors, candidates });
    return recorded;
  };
  recorder.k = spy as unknown as Recorder['k'];
  const input = placeholder([batch, 3, ...net.inputSize]);
  const trace = net.trace(recorder, input, isBackward ? { backwardTo: ['input'] } : {});
  const { shape } = trace.output;
  if (isBackward) trace.backward(net.graph.output, placeholder(shape), ['input']);
  // Large ones first: they stand for their class.
  return steps.sort((a, b) => b.plan.flops - a.plan.flops);
}

type Values = Readonly<Record<string, Value | undefined>>;

const line = ({ kernel, sizes, winner, timesMs }: Measurement): string => {
  const times = Object.entries(timesMs).map(([name, ms]) => `${name} ${ms.toFixed(3)}`);
  return `${kernel} ${shapeClass(sizes)}: ${winner} (ms: ${times.join(', ')})`;
};

function agreed(runs: readonly (readonly Measurement[])[]): Finding[] {
  const findings = new Map<string, Finding>();
  for (const m of runs.flat()) {
    const { kernel, shapeClass, automatic, timesMs } = m;
    const name = `${kernel} ${shapeClass}`;
    const known = findings.get(name);
    const winner = known && known.winner !== m.winner ? undefined : m.winner;
    const [automaticMs, winnerMs] = [timesMs[automatic], timesMs[m.winner]];
    const gain = automaticMs / winnerMs;
    const isLess = known && known.automaticMs / known.winnerMs <= gain;
    const least = isLess ? known : { automaticMs, winnerMs };
    findings.set(name, {
      ...{ kernel, shapeClass, automatic, winner },
      automaticMs: least.automaticMs,
      winnerMs: least.winnerMs,
    });
  }
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...findings.values()].sort(
    (a, b) => order(a.kernel, b.kernel) || order(a.shapeClass, b.shapeClass),
  );
}
