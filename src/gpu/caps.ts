import { shippedChoices } from './shipped-choices.js';

/**
 * Which variant to take: kernel -> class of shapes (see `shapeClass`) -> name of the variant. A name that a kernel does not have, or that
 * cannot compute the sizes at hand, is passed over.
 */
export type Choices = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** What planning needs to know of a device: plain data, so that plans can be made and tested without one. */
export interface Caps {
  /** `software` for adapters that run shaders on a CPU: they get kernel variants of their own. */
  readonly kind: 'software' | 'gpu';
  readonly features: ReadonlySet<string>;
  /** Invocations that a software adapter runs at once, 4 or 8 (default 4): its variants make workgroups that fill its vectors. */
  readonly lanes?: number;
  readonly limits: CapsLimits;
  /** Products of matrices that a subgroup makes, where the device has the feature {@link subgroupMatrix}. */
  readonly matrices?: readonly MatrixShape[];
  /** Measured choices of variants, which go before a kernel's own order: the same table, the same plans. */
  readonly choices?: Choices | undefined;
}

/** The experimental feature of Chromium and Dawn by which the invocations of a subgroup multiply matrices together. */
export const subgroupMatrix = 'chromium-experimental-subgroup-matrix';

/** [M,K] times [K,N], as `GPUAdapterInfo.subgroupMatrixConfigs` lists it. */
export interface MatrixShape {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** Of the factors: `f16`, `f32`, ... */
  readonly componentType: string;
  /** Of the sums. */
  readonly resultComponentType: string;
}

export interface CapsLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly minStorageBufferOffsetAlignment: number;
}

/** The limits every WebGPU device has, in bytes and counts (WebGPU specification, "limits"). */
export const coreLimits: CapsLimits = {
  maxBufferSize: 256 * 1024 * 1024,
  maxStorageBufferBindingSize: 128 * 1024 * 1024,
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupsPerDimension: 65535,
  maxStorageBuffersPerShaderStage: 8,
  minStorageBufferOffsetAlignment: 256,
};

/** Caps of an unknown GPU with core limits and no optional feature: what a plan without a device assumes. */
export const coreCaps: Caps = { kind: 'gpu', features: new Set(), limits: coreLimits };

/** Reads the caps of a device, with the choices that come with this package for such an adapter. */
export function capsOf(device: GPUDevice, info: GPUAdapterInfo | undefined): Caps {
  const limits = Object.fromEntries(
    Object.keys(coreLimits).map((name) => [name, device.limits[name as keyof CapsLimits]]),
  ) as unknown as CapsLimits;
  return {
    kind: isSoftware(info) ? 'software' : 'gpu',
    features: new Set(device.features),
    ...(isSoftware(info) && { lanes: (info?.subgroupMinSize ?? 4) >= 8 ? 8 : 4 }),
    limits,
    choices: shippedFor(info),
    ...(device.features.has(subgroupMatrix) && { matrices: matricesOf(info) }),
  };
}

const matricesOf = (info: GPUAdapterInfo | undefined): readonly MatrixShape[] => {
  const { subgroupMatrixConfigs = [] } = (info ?? {}) as {
    subgroupMatrixConfigs?: Iterable<MatrixShape>;
  };
  return [...subgroupMatrixConfigs].map(({ M, N, K, componentType, resultComponentType }) => ({
    ...{ M, N, K, componentType, resultComponentType },
  }));
};

const shippedFor = (info: GPUAdapterInfo | undefined): Choices | undefined =>
  info && shippedChoices[`${info.vendor} ${info.architecture}`.toLowerCase()];

function isSoftware(info: GPUAdapterInfo | undefined): boolean {
  if (!info) return false;
  const fallback = (info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
  const words = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
  return fallback || /swiftshader|llvmpipe|lavapipe|basic render|warp/i.test(words);
}
