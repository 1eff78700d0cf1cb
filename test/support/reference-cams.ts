/** The methods' formulas in float64 on activations A and gradients G [K,h,w], written down again from methods.md. */

export interface Maps {
  readonly K: number;
  readonly size: number;
  readonly A: ArrayLike<number>;
  readonly G: ArrayLike<number>;
}

const at = (m: ArrayLike<number>, size: number, k: number, i: number) => m[k * size + i];

function weighted({ K, size, A }: Maps, w: (k: number) => number): Float64Array {
  const raw = new Float64Array(size);
  for (let k = 0; k < K; k++) {
    const weight = w(k);
    for (let i = 0; i < size; i++) raw[i] += weight * at(A, size, k, i);
  }
  return raw;
}

const sumOver = (size: number, f: (i: number) => number) => {
  let total = 0;
  for (let i = 0; i < size; i++) total += f(i);
  return total;
};

export const gradCam = (m: Maps) =>
  weighted(m, (k) => sumOver(m.size, (i) => at(m.G, m.size, k, i)) / m.size);

export const gradCamPlusPlus = (m: Maps, form: 'paper' | 'stabilised' | 'torch-cam' = 'paper') =>
  weighted(m, (k) => {
    const total = sumOver(m.size, (i) => at(m.A, m.size, k, i));
    const mixed = sumOver(m.size, (i) => at(m.A, m.size, k, i) * at(m.G, m.size, k, i) ** 3);
    return sumOver(m.size, (i) => {
      const g = at(m.G, m.size, k, i);
      const rest = { paper: total * g ** 3, stabilised: total * g ** 3 + 1e-6, 'torch-cam': mixed };
      const denominator = 2 * g ** 2 + rest[form];
      return denominator === 0 ? 0 : (g ** 2 / denominator) * Math.max(g, 0);
    });
  });

export const xGradCam = (m: Maps) =>
  weighted(m, (k) => {
    const total = sumOver(m.size, (i) => at(m.A, m.size, k, i));
    const product = sumOver(m.size, (i) => at(m.G, m.size, k, i) * at(m.A, m.size, k, i));
    return total === 0 ? 0 : product / total;
  });

const elementwise = (m: Maps, f: (g: number) => number) => {
  const raw = new Float64Array(m.size);
  for (let k = 0; k < m.K; k++) {
    for (let i = 0; i < m.size; i++) raw[i] += f(at(m.G, m.size, k, i)) * at(m.A, m.size, k, i);
  }
  return raw;
};

export const hiResCam = (m: Maps) => elementwise(m, (g) => g);

export const layerCam = (m: Maps) => elementwise(m, (g) => Math.max(g, 0));

/** Projection on the first right singular vector, by many plain power iterations. */
export function eigenCam({ K, size, A }: Maps): Float64Array {
  let v = new Float64Array(K).fill(1);
  for (let round = 0; round < 2000; round++) {
    const u = weighted({ K, size, A, G: A }, (k) => v[k]);
    const next = Float64Array.from({ length: K }, (_, k) =>
      sumOver(size, (i) => at(A, size, k, i) * u[i]),
    );
    const norm = Math.hypot(...next);
    v = next.map((value) => value / norm);
  }
  const raw = weighted({ K, size, A, G: A }, (k) => v[k]);
  const extreme = raw.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  return extreme < 0 ? raw.map((value) => -value) : raw;
}

/** Bilinear interpolation with align_corners false. */
export function enlarge(
  map: ArrayLike<number>,
  [h, w]: readonly number[],
  [H, W]: readonly number[],
): Float64Array {
  const taps = (o: number, from: number, to: number) => {
    const q = Math.max(((o + 0.5) * from) / to - 0.5, 0);
    const low = Math.min(Math.floor(q), from - 1);
    return { low, high: Math.min(low + 1, from - 1), t: q - low };
  };
  const up = new Float64Array(H * W);
  for (let y = 0; y < H; y++) {
    const v = taps(y, h, H);
    for (let x = 0; x < W; x++) {
      const u = taps(x, w, W);
      const top = map[v.low * w + u.low] * (1 - u.t) + map[v.low * w + u.high] * u.t;
      const bottom = map[v.high * w + u.low] * (1 - u.t) + map[v.high * w + u.high] * u.t;
      up[y * W + x] = top * (1 - v.t) + bottom * v.t;
    }
  }
  return up;
}

/** relu, bilinear resize, min-max: the finished map. */
export function finish(
  raw: ArrayLike<number>,
  from: readonly number[],
  to: readonly number[],
): Float64Array {
  const up = enlarge(
    Array.from(raw, (value) => Math.max(value, 0)),
    from,
    to,
  );
  const least = up.reduce((a, b) => Math.min(a, b));
  const largest = up.reduce((a, b) => Math.max(a, b));
  return up.map((value) => (largest > least ? (value - least) / (largest - least) : 0));
}
