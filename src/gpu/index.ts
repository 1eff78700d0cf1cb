export { type Caps, type CapsLimits, coreCaps, coreLimits } from './caps.js';
export { Gpu, type GpuRequestOptions } from './device.js';
export type { Binding, DispatchPlan, KernelPlan, Slot } from './dispatch.js';
export { Pipelines } from './pipelines.js';
export { Recorder, type RunPlan } from './recorder.js';
export { type Dtype, Tensor } from './tensor.js';
export type { PassTimes } from './timing.js';
export { placeholder, Value } from './value.js';
