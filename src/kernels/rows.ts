import type { Sizes } from './kernel.js';

/** Tuning of kernels that give a workgroup to each row of C elements: a wide one where a row is long. */
export const rowWidth = ({ C }: Sizes) => ({ GX: C >= 4096 ? 256 : 64 });
