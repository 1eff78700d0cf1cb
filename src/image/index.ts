/** The parts of image handling that need neither Node nor a browser. */
export { type ColormapName, colormapNames, colormapTable } from './colormap.js';
export { exifOrientation, type Orientation, orient } from './exif.js';
export { type ImageHeader, readImageHeader, sniffFormat } from './format.js';
export { crossOut } from './mark.js';
export { npy, parseNpy } from './npy.js';
export {
  type ExternalImage,
  type PaintOptions,
  Photo,
  paintHeatmap,
  paintOverlay,
  preprocessPhotos,
  type RgbaImage,
  readPainting,
} from './photo.js';
export { imagenetPreprocessing } from './preprocessing.js';
export {
  type ResampleWeights,
  type ResampleWindow,
  type ResizeFilter,
  resampleWeights,
  resizePixels,
} from './resize.js';
export {
  composeMatrices,
  cropWeights,
  invertMatrix,
  layBackMatrix,
  type PreprocessGeometry,
  preprocessGeometry,
  type ResizeAndCrop,
  type Size,
  sampleMatrix,
  windowMatrix,
} from './transform.js';
