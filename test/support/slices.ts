import type { Ndarray } from './gpu.js';

/** Channels (second axis) k0 .. k0+k of an array. */
export function channels(a: Ndarray & { data: Float32Array }, k0: number, k: number) {
  const [N, K, ...rest] = a.shape;
  const inner = rest.reduce((x, y) => x * y, 1);
  const data = new Float32Array(N * k * inner);
  for (let n = 0; n < N; n++) {
    const start = (n * K + k0) * inner;
    data.set(a.data.subarray(start, start + k * inner), n * k * inner);
  }
  return { shape: [N, k, ...rest], data };
}
