import type { Conv2dCase } from './reference.js';

/** Shapes that conv2d and its gradients are all checked on. */
export const convCases: readonly (Conv2dCase & { x: number[]; w: number[] })[] = [
  { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
  { x: [2, 3, 7, 9], w: [4, 3, 3, 2] },
  { x: [2, 4, 11, 5], w: [6, 2, 3, 3], pad: [1, 1], groups: 2 },
  { x: [1, 3, 23, 17], w: [5, 3, 11, 11], stride: [4, 4], pad: [2, 2] },
  { x: [3, 2, 9, 12], w: [3, 2, 3, 5], stride: [2, 1], pad: [1, 3], dilation: [2, 1] },
  { x: [1, 4, 6, 6], w: [4, 1, 3, 3], pad: [1, 1], groups: 4 },
  { x: [1, 5, 2, 2], w: [3, 5, 3, 3], pad: [2, 2] },
  { x: [1, 35, 13, 13], w: [33, 35, 3, 3], pad: [1, 1] },
  { x: [2, 5, 19, 21], w: [17, 5, 3, 3], pad: [1, 1] },
  { x: [2, 6, 20, 9], w: [10, 6, 5, 5], pad: [2, 2] },
  { x: [2, 24, 13, 11], w: [20, 24, 1, 1] },
  { x: [1, 8, 9, 10], w: [12, 8, 1, 1], stride: [2, 2] },
  { x: [2, 9, 16, 16], w: [36, 3, 3, 3], pad: [1, 1], groups: 3 },
  { x: [1, 3, 15, 16], w: [36, 3, 3, 3], stride: [2, 2] },
  { x: [1, 2, 40, 5], w: [70, 2, 3, 1], pad: [1, 0], dilation: [3, 1] },
  { x: [3, 66, 4, 4], w: [9, 66, 3, 3], pad: [1, 1] },
];
