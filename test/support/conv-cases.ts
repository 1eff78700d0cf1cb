import type { Conv2dCase } from './reference.js';

/** Shapes that conv2d and its gradients are all checked on. From {@link forWideTiles} on they are for variants with large tiles, which all run them. */
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
  { x: [1, 3, 10, 11], w: [4, 3, 4, 3], stride: [3, 3], pad: [2, 1], dilation: [2, 2] },
  { x: [1, 8, 5, 5], w: [33, 8, 3, 3] },
  { x: [2, 3, 14, 21], w: [13, 3, 3, 3], pad: [1, 1] },
  { x: [2, 4, 9, 23], w: [14, 2, 3, 3], groups: 2 },
  { x: [1, 2, 12, 19], w: [5, 2, 3, 3], pad: [2, 0] },
  { x: [2, 3, 26, 31], w: [9, 3, 7, 7], stride: [2, 2], pad: [3, 3] },
  { x: [1, 4, 11, 18], w: [18, 2, 2, 6], pad: [0, 4], groups: 2 },
  { x: [2, 5, 9, 10], w: [5, 1, 3, 3], pad: [1, 1], groups: 5 },
  { x: [2, 40, 7, 9], w: [16, 20, 1, 1], groups: 2 },
  { x: [2, 8, 6, 10], w: [40, 8, 1, 1] },
  { x: [1, 3, 12, 23], w: [6, 1, 5, 3], stride: [2, 2], pad: [2, 1], groups: 3 },
  { x: [1, 2, 9, 21], w: [2, 1, 3, 3], pad: [2, 4], dilation: [2, 3], groups: 2 },
  { x: [1, 44, 3, 4], w: [133, 44, 3, 3], pad: [1, 1] },
  { x: [2, 4, 11, 9], w: [140, 2, 2, 3], stride: [2, 1], pad: [1, 2], dilation: [1, 2], groups: 2 },
  { x: [2, 140, 6, 5], w: [8, 70, 2, 2], stride: [2, 1], pad: [1, 1], groups: 2 },
];

/** Number of the first of these cases. */
export const forWideTiles = convCases.findIndex(({ w }) => w[0] === 133);
