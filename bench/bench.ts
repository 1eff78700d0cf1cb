import type { Gpu } from '../src/gpu/device.js';
import { kernelCases, networkCases, type Selection } from './cases.js';
import { checkKernel, checkNetwork } from './check.js';
import { chooseClock } from './clock.js';
import { Ceilings, type Measurement, measureKernel, measureNetwork } from './measure.js';
import { PreparedNet } from './networks.js';
import { Prepared } from './prepared.js';

/** Where a run tells what it is doing. */
export interface Host {
  /** For the report. */
  say(line: string): void | Promise<void>;
  /** For whoever waits. */
  progress(line: string): void | Promise<void>;
}

/** What a run found out on one device. */
export interface BenchResult {
  readonly adapter: string;
  readonly kind: 'software' | 'gpu';
  readonly clock: 'timestamps' | 'wall';
  readonly clockDescription: string;
  readonly selection: Selection;
  /** What does not match, one line each; then nothing was measured. */
  readonly wrong: readonly string[];
  /** Medians over the run; absent if nothing was measured. */
  readonly ceilings?: { readonly gflops: number; readonly gbs: number };
  readonly measurements: readonly Measurement[];
}

/**
 * Checks all selected cases, then measures them.
 *
 * @throws RangeError if the selection names no case.
 */
export async function runBench(gpu: Gpu, selection: Selection, host: Host): Promise<BenchResult> {
  const kernels = kernelCases(gpu.caps, selection);
  const networks = networkCases(selection);
  const total = kernels.length + networks.length;
  if (total === 0) {
    throw new RangeError(`bench: no case matches ${JSON.stringify(selection)}`);
  }
  const head = { adapter: gpu.adapterName, kind: gpu.caps.kind, selection } as const;
  await host.say(`${gpu.adapterName} (${gpu.caps.kind})`);

  const each = async (what: string, work: Work) => {
    let done = 0;
    const step = (id: string) => host.progress(`${what} ${++done}/${total}: ${id}`);
    for (const source of kernels) {
      await step(source.id);
      await using(Prepared.make(gpu, source), work.kernel);
    }
    for (const source of networks) {
      await step(source.id);
      await using(PreparedNet.make(gpu, source), work.network);
    }
  };

  const wrong: string[] = [];
  let compared = 0;
  await each('checking', {
    kernel: async (prepared) => {
      await prepared.settle();
      const names = selection.variants ? prepared.variants : [prepared.picked];
      compared += names.filter((name) => name !== prepared.naive).length;
      wrong.push(...(await checkKernel(prepared, names)));
    },
    network: async (prepared) => void wrong.push(...(await checkNetwork(prepared))),
  });
  const clock = await chooseClock(gpu);
  const found = { ...head, wrong, clock: clock.kind, clockDescription: clock.description };
  if (wrong.length > 0) {
    for (const line of wrong) await host.say(`wrong: ${line}`);
    return { ...found, measurements: [] };
  }
  await host.say(
    `all results match: ${compared} against the naive variant, ${kernels.length} kernel cases, ${networks.length} network cases twice`,
  );
  await host.say(`times: ${clock.description}`);
  if (gpu.tuner) {
    const { mode, measured } = gpu.tuner;
    await host.say(`tuned (${mode}): ${measured.length} choices timed in this run`);
  }

  const measurements: Measurement[] = [];
  const ceilings = await Ceilings.make(gpu, clock);
  try {
    await each('measuring', {
      kernel: async (prepared) => {
        measurements.push(...(await measureKernel(gpu, clock, ceilings, prepared, selection)));
      },
      network: async (prepared) => {
        measurements.push(await measureNetwork(clock, ceilings, prepared, selection));
      },
    });
    return { ...found, ceilings: ceilings.summary, measurements };
  } finally {
    ceilings.destroy();
  }
}

interface Work {
  kernel(prepared: Prepared): Promise<void>;
  network(prepared: PreparedNet): Promise<void>;
}

async function using<T extends { destroy(): void }>(
  prepared: T,
  work: (prepared: T) => Promise<void>,
): Promise<void> {
  try {
    await work(prepared);
  } finally {
    prepared.destroy();
  }
}
