import { LayerError } from '../errors.js';
import type { Value } from '../gpu/value.js';
import { concat } from '../kernels/concat.js';
import { lowPass } from '../kernels/fft2d.js';
import { placeWindows } from '../kernels/place-windows.js';
import { rowDot } from '../kernels/row-dot.js';
import { sampleAffineMaps } from '../kernels/sample-affine-maps.js';
import { softmax } from '../kernels/softmax.js';
import { batchesOf, copiesWithin } from './budget.js';
import { isSigned, type Method, type OptionValues, wrapperOptions } from './method.js';

/** Where windows lie: `rows` x `columns` of them, all inside the image, from the top left corner. */
interface WindowGrid {
  readonly side: number;
  readonly stride: number;
  readonly rows: number;
  readonly columns: number;
}

export interface SlidingWindowOptions {
  /** Side of a window, pixels; default 96 of 224. */
  readonly window?: number;
  /** Pixels from one window to the next; default a third of the side. */
  readonly stride?: number;
  /** Highest frequency that is kept, cycles an image; 0 keeps all. */
  readonly cutoff?: number;
}

const windowOptions = {
  window: { default: 0, min: 0, about: 'side of a window, pixels; 0 for 96 of 224' },
  stride: { default: 0, min: 0, about: 'pixels between windows; 0 for a third of the side' },
  cutoff: {
    default: 35,
    min: 0,
    whole: false,
    about: 'highest frequency kept, cycles an image; 0 leaves the seams',
  },
} as const;

/**
 * Sliding-window enhancement of any method f, from the master's thesis this project follows: the image and all its windows are explained, as one
 * batch where memory allows it, the windows' maps are added at their places, and an ideal low-pass filter takes the seams away.
 *
 *   raw = lowPass(S_0 + sum over windows k of a_k S_k at its place),  S_0 = f(I), S_k = f(window k at the input's size), a_k = p_c(window k)
 *
 * Each window is explained for the class of the whole image. S is in 0..1, or in -1..1 for a method that {@link isSigned}, and then so is the result. Its name is `enhanced-` and the method's; so are its options, and the windows'; a name that both have is the method's,
 * and the windows' begins with `window`.
 */
export function slidingWindow(method: Method, defaults: SlidingWindowOptions = {}): Method {
  const specs = Object.fromEntries(
    Object.entries(windowOptions).map(([name, spec]) => [
      name,
      { ...spec, default: defaults[name as keyof typeof defaults] ?? spec.default },
    ]),
  );
  const { options, own, inner } = wrapperOptions(method, specs, 'window');
  return {
    ...method,
    base: method.base ?? method.name,
    name: `enhanced-${method.name}`,
    title: `${method.title}, sliding window`,
    paper: `${method.paper}; windows: the thesis this project follows`,
    options,
    finish: isSigned(method) ? 'signed' : 'none',
    passes: method.passes === 'many' ? 'many' : 'several',
    usesTarget: true,
    record: (scene, values) => {
      const { recorder, input } = scene;
      const { k } = recorder;
      const [N, , H, W] = input.shape;
      const { side, stride, rows, columns } = windowGrid([H, W], own(values));
      const J = 1 + rows * columns;
      const matrices = windowMatrices([H, W], { side, stride, rows, columns });
      const most = copiesWithin(scene, scene.layers.length > 0 ? scene.layers : ['input'], J);
      const batches = batchesOf(J, most);
      let maps: Value | undefined;
      let weights: Value | undefined;
      for (const { first, begin, fresh, size: batch } of batches) {
        if (batches.length > 1) recorder.cut(fresh);
        const own = matrices.slice(first, first + batch).flat();
        const m = recorder.constant(
          Float32Array.from(Array.from({ length: N }, () => own).flat()),
          [N * batch, 12],
        );
        const images = k(sampleAffineMaps, { x: input, m }, { outputSize: [H, W], clip: true });
        const windows = scene.on(images, batch, begin === 0);
        const made = windows.amounts(method, method.record(windows, inner(values)));
        const p = k(softmax, { x: windows.trace.output });
        const sure = k(rowDot, { a: p, b: windows.choice() });
        const place = { k0: first, kTotal: J };
        const joined = (x: Value, into: Value | undefined) =>
          batches.length === 1 ? x : k(concat, { x }, place, { into });
        maps = joined(made.reshape([N, batch, H, W]), maps);
        weights = joined(sure.reshape([N, batch, 1, 1]), weights);
      }
      if (batches.length > 1) recorder.cut();

      const sum = k(
        placeWindows,
        { maps: maps!.reshape([N * J, H, W]), weights: weights!.reshape([N, J]) },
        { window: [side, side], stride: [stride, stride], rows, columns },
      );
      const cutoff = own(values).cutoff as number;
      return cutoff > 0 ? lowPass(recorder, sum, { cutoff }) : sum;
    },
  };
}

/** @throws LayerError if a window is larger than the image, or if there are too many. */
function windowGrid([H, W]: readonly [number, number], options: OptionValues): WindowGrid {
  const least = Math.min(H, W);
  const side = (options.window as number) || Math.round((96 * least) / 224);
  if (side > least) {
    throw new LayerError(
      `sliding window: a window of ${side} pixels should fit into the input of ${H} x ${W}`,
    );
  }
  const stride = (options.stride as number) || Math.max(1, Math.round(side / 3));
  const along = (length: number) => Math.floor((length - side) / stride) + 1;
  const [rows, columns] = [along(H), along(W)];
  if (rows * columns > mostWindows) {
    throw new LayerError(
      `sliding window: ${rows} x ${columns} windows, ${stride} pixels apart, should be at most ${mostWindows}, choose a larger stride`,
    );
  }
  return { side, stride, rows, columns };
}

const mostWindows = 400;

/** The matrix of the whole image, then those of its windows, row by row: mat3 of 3 columns of 4, pixel of the output to the image. */
function windowMatrices(
  [H, W]: readonly [number, number],
  { side, stride, rows, columns }: WindowGrid,
): readonly (readonly number[])[] {
  const matrix = (x: number, y: number, w: number, h: number) => [
    ...[w / W, 0, 0, 0],
    ...[0, h / H, 0, 0],
    ...[x, y, 1, 0],
  ];
  const all = [matrix(0, 0, W, H)];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      all.push(matrix(column * stride, row * stride, side, side));
    }
  }
  return all;
}
