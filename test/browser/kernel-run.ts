/** Runs every kernel on the cases of `kernel-cases.ts`: the same code in Node and in the page. */
import type { Gpu } from '../../src/gpu/device.js';
import { type Recorded, Recorder } from '../../src/gpu/recorder.js';
import type { Value } from '../../src/gpu/value.js';
import type { AnyKernel } from '../../src/kernels/kernel.js';
import { casesOf, inputsOf, variantsOf } from '../support/kernel-cases.js';
import { isSlowToCompile } from '../support/turns.js';

/** Elements by `<kernel> <size set> <variant> <result>`. */
export type Results = Record<string, Float32Array | Uint32Array>;

/** Every kernel by its variants, on seeded inputs. */
export async function runKernels(gpu: Gpu, kernels: readonly AnyKernel[]): Promise<Results> {
  const results: Results = {};
  for (const kernel of kernels) {
    const recorder = Recorder.on(gpu);
    const names: string[] = [];
    const values: Value[] = [];
    const seen = new Set<string>();
    for (const c of casesOf(kernel)) {
      const reads = Object.fromEntries(
        Object.entries(inputsOf(c)).map(([name, { data, shape }]) => [
          name,
          recorder.constant(data, shape),
        ]),
      );
      for (const variant of variantsOf(c, gpu.caps)) {
        // A pipeline of its own each, all of which compile twice, here and in the page: one case a variant, and one a kernel of tiles for GPUs, which take
        // a software adapter a second.
        const key = isSlowToCompile(kernel, variant) ? 'tiles for GPUs' : variant;
        if (seen.has(key)) continue;
        seen.add(key);
        const made = recorder.k(kernel, reads, c.options, { variant }) as Recorded<string>;
        for (const name of kernel.resultNames) {
          names.push(`${c.name} ${variant} ${name}`);
          values.push(kernel.resultNames.length === 1 ? (made as Value) : made[name as never]);
        }
      }
    }
    const tensors = await recorder.run(values);
    const read = await gpu.read(tensors);
    for (const tensor of tensors) tensor.destroy();
    names.forEach((name, i) => {
      results[name] = read[i];
    });
  }
  return results;
}

/** As text that `page.evaluate` can hand over quickly. */
export const encode = (results: Results): Record<string, string> =>
  Object.fromEntries(
    Object.entries(results).map(([name, data]) => {
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      let text = data instanceof Uint32Array ? 'u32:' : 'f32:';
      let raw = '';
      for (let at = 0; at < bytes.length; at += 8192) {
        raw += String.fromCharCode(...bytes.subarray(at, at + 8192));
      }
      text += btoa(raw);
      return [name, text];
    }),
  );

/** The inverse of {@link encode}. */
export const decode = (texts: Record<string, string>): Results =>
  Object.fromEntries(
    Object.entries(texts).map(([name, text]) => {
      const bytes = Uint8Array.from(atob(text.slice(4)), (c) => c.charCodeAt(0));
      return [
        name,
        text.startsWith('u32:') ? new Uint32Array(bytes.buffer) : new Float32Array(bytes.buffer),
      ];
    }),
  );
