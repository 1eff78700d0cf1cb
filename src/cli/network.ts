import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { DeviceError, WeightsError } from '../errors.js';
import { Gpu } from '../gpu/device.js';
import type { Architecture } from '../net/architecture.js';
import { type Fit, fittingNetworks, fitWeights } from '../net/fit.js';
import { Net } from '../net/net.js';
import type { Weights } from '../net/weights/index.js';
import { networkNamed, networks } from '../net/zoo/index.js';
import { type LoadedWeights, loadWeightsFile, whyUnreadable } from '../node.js';
import type { NetworkFlags } from './flags.js';
import { type Io, UsageError } from './io.js';
import { embeddedWeights } from './package.js';
import { Progress } from './progress.js';

const defaultNetwork = 'toy_vgg';

/** A network of the zoo with weights that fit it, not yet on a GPU. */
export interface ChosenNetwork {
  readonly architecture: Architecture;
  readonly loaded: LoadedWeights;
  /** Without weights: for its layers and number of classes. */
  readonly description: Net;
  readonly labels: readonly string[] | undefined;
  readonly loadMs: number;
}

/**
 * The network that the flags ask for, and its weights. Without a name, the weights' own metadata or the shapes of their tensors tell;
 * without weights, those that come with the package are taken.
 *
 * @throws LayerError for an unknown name, WeightsError for weights that do not fit, UsageError for weights that are not given.
 */
export async function chooseNetwork(flags: NetworkFlags, io: Io): Promise<ChosenNetwork> {
  const start = performance.now();
  const named = flags.network === undefined ? undefined : networkNamed(flags.network);
  const path = flags.weightPath ?? embeddedPath(named?.name ?? defaultNetwork);
  const loaded = await load(path, io);
  const { architecture, classes } = fitted(named ?? recognised(loaded.weights), loaded.weights);
  const description = Net.describe(architecture, classes);
  const labels = flags.labels === undefined ? undefined : await readLabels(flags.labels, classes);
  return { architecture, loaded, description, labels, loadMs: performance.now() - start };
}

function embeddedPath(network: string): string {
  const path = embeddedWeights(network);
  if (!existsSync(path)) {
    throw new UsageError(
      `${network}: its weights do not come with this package: give --weight-path`,
    );
  }
  return path;
}

async function load(path: string, io: Io): Promise<LoadedWeights> {
  const progress = new Progress(io.stderr, 'fetching', undefined, 'bytes');
  try {
    return await loadWeightsFile(path, {
      onProgress: (bytes, total) => progress.update(bytes, path, total),
      signal: io.signal,
    });
  } finally {
    progress.stop();
  }
}

function recognised(weights: Weights): Architecture {
  const { network } = weights.metadata;
  if (network !== undefined && networks.has(network)) return networks.get(network)!;
  const [fitting] = fittingNetworks(weights);
  if (!fitting) {
    throw new WeightsError(
      `${weights.name}: fits none of ${[...networks.keys()].join(', ')}: \`webgpu-cam inspect\` shows what it holds`,
    );
  }
  return fitting.architecture;
}

/** @throws WeightsError that lists what does not fit, and names the network that does. */
function fitted(architecture: Architecture, weights: Weights): Fit {
  try {
    return fitWeights(architecture, weights);
  } catch (error) {
    const [other] = error instanceof WeightsError ? fittingNetworks(weights) : [];
    if (!other) throw error;
    throw new WeightsError(
      `${(error as Error).message.replace(/\.$/, '')}. They fit --network ${other.architecture.name}`,
      { cause: error },
    );
  }
}

/**
 * Names of classes from a JSON list, a JSON object from class numbers to names (or to lists that end in one), or lines of text.
 *
 * @throws UsageError if the file cannot be read or does not name each class.
 */
async function readLabels(path: string, classes: number): Promise<string[]> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).replace(/^\ufeff/, '');
  } catch (error) {
    throw new UsageError(`${path}: ${whyUnreadable(error)}`, { cause: error });
  }
  const labels = /^\s*[[{]/.test(text) ? jsonLabels(text, path) : text.trimEnd().split(/\r?\n/);
  if (labels.length !== classes) {
    throw new UsageError(`${path}: names ${labels.length} classes, the network has ${classes}`);
  }
  return labels;
}

function jsonLabels(text: string, path: string): string[] {
  const wrong = (why: string) => new UsageError(`${path}: ${why}, should be a JSON list of names`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrong(`is not valid JSON (${(error as Error).message.split('\n')[0]})`);
  }
  const byNumber = value as Record<string, unknown>;
  const list = Array.isArray(value)
    ? value
    : Object.keys(byNumber).map((_, classId) => byNumber[classId]);
  return list.map((item, classId) => {
    const name = Array.isArray(item) ? item.at(-1) : item;
    if (typeof name !== 'string') throw wrong(`has no name for class ${classId}`);
    return name;
  });
}

/**
 * Puts the network on a GPU for the time of `work`, and says on stderr if that is a software adapter.
 *
 * @throws UsageError if there is no adapter, or not the one asked for, or it lacks what the storage asked for needs.
 */
export async function withNet<T>(
  chosen: ChosenNetwork,
  flags: NetworkFlags,
  io: Io,
  work: (net: Net, gpu: Gpu) => Promise<T>,
): Promise<T> {
  const gpu = await requestGpu(flags, io);
  try {
    const { architecture, loaded, labels } = chosen;
    return await work(
      Net.load(gpu, architecture, loaded.weights, { labels, storage: flags.storage }),
      gpu,
    );
  } finally {
    gpu.destroy();
  }
}

async function requestGpu(flags: NetworkFlags, io: Io): Promise<Gpu> {
  if (flags.adapter === 'software') process.env.WEBGPU_CAM_ADAPTER = 'software';
  let gpu: Gpu;
  try {
    gpu = await Gpu.request({ gpu: io.gpu, tune: flags.tune });
  } catch (error) {
    // Before anything was computed: the machine, not this run, lacks something.
    if (error instanceof DeviceError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
  if (gpu.isSoftware) {
    io.stderr.write(
      `webgpu-cam: computing on a software adapter (${gpu.adapterName}), much slower than a GPU\n`,
    );
  } else if (flags.adapter === 'software') {
    const found = gpu.adapterName;
    gpu.destroy();
    throw new UsageError(`--adapter software: there is none on this machine (found ${found})`);
  }
  if (flags.storage === 'f16' && !gpu.caps.features.has('shader-f16')) {
    const found = gpu.adapterName;
    gpu.destroy();
    throw new UsageError(`--storage f16: the adapter has no shader-f16 (${found}): use f32`);
  }
  return gpu;
}
