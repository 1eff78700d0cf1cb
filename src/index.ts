/** webgpu-cam: saliency maps for image classifiers, computed by hand-written WGSL kernels. */
export * from './cam/index.js';
export * from './errors.js';
export * from './gpu/index.js';
export * from './image/index.js';
export * from './net/index.js';
