export {
  type Caps,
  type CapsLimits,
  type Choices,
  coreCaps,
  coreLimits,
  type MatrixShape,
} from './caps.js';
export { Gpu, type GpuAdoptOptions, type GpuRequestOptions } from './device.js';
export type { Binding, DispatchPlan, KernelPlan, Slot } from './dispatch.js';
export type { Fork, Operand, Route } from './fork.js';
export { Pipelines } from './pipelines.js';
export { memoryTable, planTable } from './plan-table.js';
export { type PlannedStep, Recorder, type RunPlan, type Schedule } from './recorder.js';
export { shapeClass } from './shape-class.js';
export { type Dtype, type Storage, Tensor } from './tensor.js';
export type { PassTimes } from './timing.js';
export type { Measurement, TuneMode, Tuner } from './tuner.js';
export { placeholder, Value } from './value.js';
