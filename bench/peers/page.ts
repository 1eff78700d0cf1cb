import { Gpu } from '../../src/gpu/device.js';
import { Ceilings } from '../measure.js';
import { peerCases } from './cases.js';
import { Counting } from './counting.js';
import { materialOf } from './material.js';
import { type Ort, ort } from './ort.js';
import { ours } from './ours.js';
import type { Peer, PeerName } from './peer.js';
import { type CaseResult, measureCase, type RoundSettings } from './rounds.js';
import { tfjs } from './tfjs.js';

/** One case, as the program that opened the page asks for it. */
export interface PageRequest extends RoundSettings {
  readonly id: string;
  readonly maps: number;
  readonly peers: readonly PeerName[];
  /** Of this package. */
  readonly version: string;
}

export interface PageAnswer {
  readonly result: CaseResult;
  /** Of the peers' own packages. */
  readonly versions: Readonly<Record<string, string>>;
  /** Every adapter that a peer was given. */
  readonly adapters: readonly string[];
}

declare global {
  /** Given by the program that opened the page. */
  var peersStep: (peer: string, what: string) => Promise<void>;
  /** Called by it. */
  var peersCase: (request: PageRequest) => Promise<PageAnswer>;
  var peersAdapter: () => Promise<{ adapter: string; kind: 'software' | 'gpu' }>;
}

// Before any library keeps a method for itself.
const counting = Counting.install();
const adapters = new Set<string>();
oneAdapter();

/** Gives every peer the same adapter, on machines with several too, and keeps its name. */
function oneAdapter(): void {
  if (!navigator.gpu) return;
  const prototype = Object.getPrototypeOf(navigator.gpu) as GPU;
  const { requestAdapter } = prototype;
  prototype.requestAdapter = async function (options) {
    const asked = { ...options, powerPreference: 'high-performance' as const };
    const adapter = await requestAdapter.call(this, asked);
    const { vendor, architecture, device, description } = adapter?.info ?? {};
    adapters.add([vendor, architecture, device || description].filter(Boolean).join(' '));
    return adapter;
  };
}

globalThis.peersAdapter = async () => {
  const gpu = await Gpu.request();
  const found = { adapter: gpu.adapterName, kind: gpu.caps.kind };
  gpu.destroy();
  return found;
};

globalThis.peersCase = async ({ id, maps, peers, version, ...settings }) => {
  const c = peerCases(maps).find((one) => one.id === id)!;
  const chosen = peers.map((name) => makers[name](version));
  const versions: Record<string, string> = {};
  await globalThis.peersStep('', 'loading');
  for (const peer of chosen) versions[peer.name] = await peer.open();
  const material = materialOf(c);
  counting.owner = 'bench';
  const gpu = await Gpu.request();
  const ceilings = await Ceilings.make(gpu, { kind: 'wall', description: '', leastMs: 20 });
  try {
    const result = await measureCase(c, chosen, material, settings, {
      step: (peer, what) => globalThis.peersStep(peer, what),
      counting,
      settle: () => counting.idle(),
      ceiling: async () => {
        counting.owner = 'bench';
        // The best of a few: a load that comes and goes would make it too low.
        const rates: number[] = [];
        for (let i = 0; i < 3; i++) rates.push((await ceilings.measure()).flopsPerMs / 1e6);
        return Math.max(...rates);
      },
    });
    return { result, versions, adapters: [...adapters] };
  } finally {
    ceilings.destroy();
    gpu.destroy();
  }
};

const makers: Readonly<Record<PeerName, (version: string) => Peer>> = {
  ours,
  'ort-wasm': () => ort('ort-wasm', 'wasm', 'fused', () => loadOrt('wasm')),
  'tfjs-webgpu': () => tfjs('webgpu', loadTf),
  'ort-webgpu': () => ort('ort-webgpu', 'webgpu', 'fused', () => loadOrt('webgpu')),
  'ort-plain': () => ort('ort-plain', 'webgpu', 'plain', () => loadOrt('webgpu')),
};

/** The runtime's build for a backend: each has one that is made for it. The files come from the bench's own server. */
async function loadOrt(backend: 'wasm' | 'webgpu'): Promise<Ort> {
  const module: Ort = await import(`${location.origin}/ort/${backend}.js`);
  const file = `ort-wasm-simd-threaded${backend === 'webgpu' ? '.asyncify' : ''}.wasm`;
  module.env.wasm.wasmPaths = { wasm: `${location.origin}/ort/files/${file}` };
  // All there are: by itself it takes half of them.
  module.env.wasm.numThreads = navigator.hardwareConcurrency;
  return module;
}

async function loadTf() {
  const tf = await import('@tensorflow/tfjs-core');
  // The whole package of the library would do so itself.
  await import('@tensorflow/tfjs-core/dist/register_all_gradients');
  await import('@tensorflow/tfjs-backend-webgpu');
  return tf;
}
