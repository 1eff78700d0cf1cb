/** The Fourier transforms' golden cases as parts: several passes each, complex numbers as two tensors. */
import type { Recorder } from '../../src/gpu/recorder.js';
import type { Value } from '../../src/gpu/value.js';
import { fft2d, inverseFft2d, lowPass } from '../../src/kernels/fft2d.js';
import { fnv1a, mix } from '../support/hash-weights.js';
import { type CaseJson, type Part, type Read, relativeL2 } from './kernels.js';

type Numbers = ArrayLike<number>;

/** From a case to its parts: forward, inverse of complex input, or low-pass. */
export function fftParts({ name, params, tensors }: CaseJson): readonly Part[] {
  const [H, W]: readonly number[] = params.size;
  const area = H * W;
  if (params.D0 !== undefined) {
    const record = (r: Recorder, read: Read) => ({
      y: lowPass(r, r.constant(numbers(read, 'x'), [1, H, W]), { cutoff: params.D0 }),
    });
    return [{ name: 'lowPass', record, results: { y: 'y_re' } }];
  }

  if (tensors.x_re) {
    // The transform of a + i b from those of the real maps a and b.
    const part = (key: string, of: (got: Numbers, i: number) => number): Part => ({
      name: 'fft2d',
      record: (r, read) => {
        const x = Float32Array.of(...numbers(read, 'x_re'), ...numbers(read, 'x_im'));
        return { y: fft2d(r, r.constant(x, [2, H, W])) };
      },
      results: { y: key },
      beginning: true,
      compare: (got, golden) =>
        relativeL2(
          picked(golden, (i) => of(got, i)),
          golden,
        ),
    });
    // The inverse gives the real part; that of -i x is the imaginary part of x.
    const back = (key: string, turned: boolean): Part => ({
      name: 'inverseFft2d',
      record: (r, read) => {
        const [re, im] = [numbers(read, 'x_re'), numbers(read, 'x_im')];
        const x = Float32Array.from({ length: 2 * area }, (_, i) => {
          const isReal = i % 2 === 0;
          const at = Math.floor(i / 2);
          if (turned) return isReal ? im[at] : -re[at];
          return isReal ? re[at] : im[at];
        });
        return { y: inverseFft2d(r, r.constant(x, [1, H, W, 2])) };
      },
      results: { y: key },
    });
    return [
      part('re', (got, i) => got[2 * i] - got[2 * (area + i) + 1]),
      part('im', (got, i) => got[2 * i + 1] + got[2 * (area + i)]),
      back('ire', false),
      back('iim', true),
    ];
  }

  const forward = (r: Recorder, read: Read): { y: Value } => {
    const x = tensors.x ? numbers(read, 'x') : hashed(`fftin:golden:${H}x${W}`, area);
    return { y: fft2d(r, r.constant(x, [1, H, W])) };
  };
  const part = (key: string, first: number, at: (i: number) => number = (i) => i): Part => ({
    name: `fft2d of ${name}`,
    record: forward,
    results: { y: key },
    beginning: true,
    compare: (got, golden) =>
      relativeL2(
        picked(golden, (i) => got[2 * at(i) + first]),
        golden,
      ),
  });
  if (tensors.x) return [part('re', 0), part('im', 1)];
  const sampled = (i: number) => Math.floor((i * area) / 4096);
  return [
    part('re_rows', 0),
    part('im_rows', 1),
    part('re_sample', 0, sampled),
    part('im_sample', 1, sampled),
  ];
}

const picked = (golden: Numbers, of: (i: number) => number) =>
  Float64Array.from(golden, (_, i) => of(i));

function numbers(read: Read, key: string): Float32Array {
  const array = read(key);
  if (!array) throw new Error(`golden kernels: an fft case lacks ${key}`);
  return Float32Array.from(array.data);
}

/** Uniform numbers in [-1, 1) by name, as the golden files make them. */
function hashed(name: string, size: number): Float32Array {
  const base = fnv1a(name);
  return Float32Array.from({ length: size }, (_, i) => 2 * (mix((i + base) >>> 0) / 2 ** 32) - 1);
}
