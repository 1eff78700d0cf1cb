import { Gpu } from '../../src/gpu/device.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { misjudged } from './misjudged.js';

/** What a page does with a kernel whose own order of variants is wrong. */
export const tunePage = {
  /** The variant that was planned before the run, the one that ran, and how many classes of shapes were timed. */
  async run(): Promise<{ planned: string; ran: string; timed: number }> {
    using gpu = await Gpu.request({ tune: 'first-use' });
    const recorder = Recorder.on(gpu);
    const y = recorder.k(misjudged, { x: recorder.constant(new Float32Array(65536)) });
    const planned = recorder.plan([y]).steps[0].variant;
    const [tensor] = await recorder.run([y]);
    tensor.destroy();
    return {
      planned,
      ran: recorder.plan([y]).steps[0].variant,
      timed: gpu.tuner?.measured.length ?? 0,
    };
  },
};
Object.assign(globalThis, { tunePage });
