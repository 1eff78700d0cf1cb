import { ImageError } from '../errors.js';
import type { Gpu } from '../gpu/device.js';
import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { heatmap } from '../kernels/heatmap.js';
import { overlay } from '../kernels/overlay.js';
import { sampleAffine } from '../kernels/sample-affine.js';
import { type ColormapName, colormapTable } from './colormap.js';
import type { Preprocessing } from './preprocessing.js';
import { layBackMatrix, preprocessGeometry, sampleMatrix } from './transform.js';

/** Decoded pixels: 8 bits a channel, straight alpha, sRGB, rows from the top. */
export interface RgbaImage {
  readonly width: number;
  readonly height: number;
  /** [H,W,4] */
  readonly rgba: Uint8Array | Uint8ClampedArray;
}

/** What a browser can copy into a texture. */
export type ExternalImage =
  | ImageBitmap
  | ImageData
  | HTMLImageElement
  | HTMLVideoElement
  | VideoFrame
  | HTMLCanvasElement
  | OffscreenCanvas;

const textureUsage = { copySrc: 1, copyDst: 2, renderAttachment: 16 } as const;

/** A photo on the GPU: [H,W] pixels of RGBA bytes. It owns its memory: destroy it when done. */
export class Photo {
  private constructor(
    readonly width: number,
    readonly height: number,
    /** [H,W] u32, RGBA from the lowest byte. */
    readonly pixels: Tensor,
  ) {}

  /** From decoded pixels. @throws ImageError if their number does not fit the size. */
  static fromRgba(gpu: Gpu, { width, height, rgba }: RgbaImage): Photo {
    if (width < 1 || height < 1 || rgba.length !== 4 * width * height) {
      throw new ImageError(
        `photo: ${rgba.length} bytes for ${width} x ${height} pixels, should be ${4 * width * height} (RGBA)`,
      );
    }
    // A copy, so that any offset into the caller's buffer will do.
    const words = new Uint32Array(width * height);
    new Uint8Array(words.buffer).set(rgba);
    return new Photo(width, height, gpu.tensor(words, [height, width], 'photo'));
  }

  /** From anything a browser can draw, without a detour through the CPU. */
  static fromExternal(gpu: Gpu, source: ExternalImage): Photo {
    const { width, height } = sizeOfExternal(source);
    if (width < 1 || height < 1)
      throw new ImageError(`photo: the image is ${width} x ${height}: is it loaded?`);
    const drawn = copyable(source, width, height);
    const side = gpu.device.limits.maxTextureDimension2D;
    return Photo.#filled(gpu, width, height, (photo) => {
      // In parts, for a photo may be larger than a texture can be.
      for (let y = 0; y < height; y += side) {
        for (let x = 0; x < width; x += side) {
          const size = [Math.min(side, width - x), Math.min(side, height - y)];
          const texture = gpu.device.createTexture({
            label: 'photo',
            size,
            format: 'rgba8unorm',
            usage: textureUsage.copySrc | textureUsage.copyDst | textureUsage.renderAttachment,
          });
          gpu.device.queue.copyExternalImageToTexture(
            { source: drawn, origin: [x, y] },
            { texture, colorSpace: 'srgb', premultipliedAlpha: false },
            size,
          );
          copyRows(gpu, texture, photo, [x, y]);
          texture.destroy();
        }
      }
    });
  }

  /** From a texture of format `rgba8unorm` with usage COPY_SRC; it stays the caller's. */
  static fromTexture(gpu: Gpu, texture: GPUTexture): Photo {
    if (!texture.format.startsWith('rgba8unorm')) {
      throw new ImageError(
        `photo: the texture's format is ${texture.format}, should be rgba8unorm`,
      );
    }
    const { width, height } = texture;
    return Photo.#filled(gpu, width, height, (photo) => copyRows(gpu, texture, photo, [0, 0]));
  }

  /** As {@link Gpu.tensor}: where the device has no memory, the next run or read says so. */
  static #filled(gpu: Gpu, width: number, height: number, fill: (photo: Photo) => void): Photo {
    const make = () => {
      const photo = new Photo(width, height, gpu.empty([height, width], 'u32', 'photo'));
      try {
        fill(photo);
      } catch (error) {
        photo.destroy(); // the browser refuses the image: it is closed, or of another origin
        throw error;
      }
      return photo;
    };
    return gpu.deferred('photo', make, (photo) => photo.destroy());
  }

  destroy(): void {
    this.pixels.destroy();
  }

  [Symbol.dispose](): void {
    this.destroy();
  }
}

/** Copies a texture to where it lies in the photo. */
function copyRows(
  gpu: Gpu,
  texture: GPUTexture,
  { width, pixels: { buffer } }: Photo,
  [left, top]: readonly [number, number],
): void {
  const encoder = gpu.device.createCommandEncoder({ label: 'photo' });
  // Row by row: a copy of several rows would need them padded to 256 bytes.
  for (let y = 0; y < texture.height; y++) {
    const offset = 4 * (width * (top + y) + left);
    encoder.copyTextureToBuffer({ texture, origin: [0, y] }, { buffer, offset }, [
      texture.width,
      1,
    ]);
  }
  gpu.device.queue.submit([encoder.finish()]);
}

/** What the queue can copy: a video frame goes by way of a canvas, for Chromium on SwiftShader loses the device when it is copied as it is. */
function copyable(
  source: ExternalImage,
  width: number,
  height: number,
): GPUCopyExternalImageSource {
  if (!('displayWidth' in source)) return source;
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')!.drawImage(source, 0, 0, width, height);
  return canvas;
}

function sizeOfExternal(source: ExternalImage): { width: number; height: number } {
  if ('displayWidth' in source) return { width: source.displayWidth, height: source.displayHeight };
  if ('videoWidth' in source) return { width: source.videoWidth, height: source.videoHeight };
  if ('naturalWidth' in source) return { width: source.naturalWidth, height: source.naturalHeight };
  return { width: source.width, height: source.height };
}

/**
 * Records the preprocessing of photos: resize, centre crop and normalisation in one sampling pass each.
 *
 * @returns the network's input [N,3,crop,crop]
 */
export function preprocessPhotos(
  recorder: Recorder,
  photos: readonly Photo[],
  preprocessing: Preprocessing,
): Value {
  const { crop, interpolation, mean, std } = preprocessing;
  let input: Value | undefined;
  photos.forEach((photo, n0) => {
    const m = recorder.constant(sampleMatrix(preprocessGeometry(photo, preprocessing)), [1, 12]);
    const options = {
      outputSize: [crop, crop],
      filter: interpolation,
      mean,
      std,
      n0,
      nTotal: photos.length,
    } as const;
    input = recorder.k(sampleAffine, { photo: photo.pixels, m }, options, { into: input });
  });
  if (!input) throw new ImageError('preprocess: no photo given: name at least one');
  return input;
}

export interface PaintOptions {
  /** Default `jet`. */
  readonly colormap?: ColormapName;
  /** How much of the colour covers the photo, 0..1; default 0.5. */
  readonly alpha?: number;
  /**
   * Whether 0.5 stands for nothing, as in a map with a sign: then the colour map's ends tell the sign and opacity the amount, up to twice `alpha`.
   * Default false.
   */
  readonly signed?: boolean;
}

/**
 * Records a map laid back on the photo it came from, in colours.
 *
 * @param map [H,W] in 0..1, at the network's input size
 * @returns [H,W] u32, RGBA bytes of the photo's size; where the photo was cropped away it stays as it is
 */
export function paintOverlay(
  recorder: Recorder,
  photo: Photo,
  map: Value | Tensor,
  preprocessing: Preprocessing,
  { colormap = 'jet', alpha = 0.5, signed = false }: PaintOptions = {},
): Value {
  if (!(alpha >= 0 && alpha <= 1))
    throw new ImageError(`overlay: alpha is ${alpha}, should be 0 .. 1`);
  const [h, w] = map.shape;
  const { crop } = preprocessing;
  // A map of another size (of the layer, say) covers the same crop.
  const m = layBackMatrix(preprocessGeometry(photo, preprocessing));
  for (let column = 0; column < 3; column++) {
    m[4 * column] *= w / crop;
    m[4 * column + 1] *= h / crop;
  }
  return recorder.k(overlay, {
    photo: photo.pixels,
    map,
    m: recorder.constant(m),
    colours: (signed ? fadingColoursOf : coloursOf)(recorder, colormap),
    alpha: recorder.constant(Float32Array.of(signed ? Math.min(1, 2 * alpha) : alpha)),
  });
}

/** Records a map in colours, at its own size: [H,W] in 0..1 -> [H,W] u32, RGBA bytes. */
export function paintHeatmap(
  recorder: Recorder,
  map: Value | Tensor,
  colormap: ColormapName = 'jet',
): Value {
  return recorder.k(heatmap, { map, colours: coloursOf(recorder, colormap) });
}

function coloursOf(recorder: Recorder, colormap: ColormapName): Value {
  return recorder.constant(new Uint32Array(colormapTable(colormap).slice().buffer));
}

/** The colours of the ends, the more opaque the further from the middle, quickly at first: most of what a map of pixels has is small. */
function fadingColoursOf(recorder: Recorder, colormap: ColormapName): Value {
  const table = colormapTable(colormap);
  const fading = new Uint8Array(table.length);
  for (let i = 0; i < 256; i++) {
    const end = i < 128 ? 0 : 4 * 255;
    fading.set(table.subarray(end, end + 3), 4 * i);
    fading[4 * i + 3] = Math.round(255 * Math.sqrt(Math.abs(i / 127.5 - 1)));
  }
  return recorder.constant(new Uint32Array(fading.buffer));
}

/** Runs a painting and reads its RGBA bytes. */
export async function readPainting(recorder: Recorder, painting: Value): Promise<Uint8Array> {
  const [tensor] = await recorder.run([painting]);
  try {
    return new Uint8Array((await tensor.readUint()).buffer);
  } finally {
    tensor.destroy();
  }
}
