import { centreMaps } from '../kernels/centre-maps.js';
import { gram, gramSquare } from '../kernels/gram.js';
import { mapsDot } from '../kernels/maps-dot.js';
import { orientRows } from '../kernels/orient-rows.js';
import { principalVector } from '../kernels/principal-vector.js';
import { unitRows } from '../kernels/unit-rows.js';
import { weightedSum } from '../kernels/weighted-sum.js';
import { activationsAt, type Method } from './method.js';

/** Squarings of the Gram matrix: its 256th power separates eigenvalues 3 % apart by a factor of 2000. */
const squarings = 8;

/**
 * EigenCAM: M. B. Muhammad, M. Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020.
 *
 *   raw = A v1,  A as [h w, K], v1 its first right singular vector; the sign such that the element of largest magnitude is positive
 *
 * Needs no class and no gradient. Not centred, as in the paper; option `centred` as pytorch-grad-cam does.
 * v1 comes from the smaller of the two Gram matrices, squared repeatedly, then iterated.
 */
export const eigenCam: Method = {
  name: 'eigen-cam',
  title: 'EigenCAM',
  paper: 'Muhammad and Yeasin, "Eigen-CAM", IJCNN 2020',
  options: {
    centred: { default: false, about: "subtract each channel's mean first" },
  },
  layers: 'one',
  finish: 'relu',
  passes: 'one',
  usesTarget: false,
  record: (scene, options) => {
    const { k } = scene.recorder;
    const layer = activationsAt(scene.trace, scene.layers[0]);
    const A = options.centred ? k(centreMaps, { x: layer }) : layer;
    const [N, K, h, w] = A.shape;
    const maps = A.reshape([N, K, h * w]);
    const byPixel = h * w < K;
    let matrix = k(gram, { x: maps }, { byPixel });
    for (let i = 0; i < squarings; i++) matrix = k(gramSquare, { x: matrix });
    const vector = k(principalVector, { x: matrix });
    // By pixels the eigenvector is the left one, u1: v1 is A^T u1 of length 1.
    const v1 = byPixel ? k(unitRows, { x: k(mapsDot, { x: maps, v: vector }) }) : vector;
    const raw = k(weightedSum, { x: A, w: v1 });
    return k(orientRows, { x: raw.reshape([N, h * w]) }).reshape([N, h, w]);
  },
};
