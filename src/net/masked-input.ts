import type { Recorder } from '../gpu/recorder.js';
import type { Tensor } from '../gpu/tensor.js';
import type { Value } from '../gpu/value.js';
import { blend } from '../kernels/blend.js';
import type { Conv2dOptions } from '../kernels/conv2d.js';
import { expandMasks } from '../kernels/expand-masks.js';
import { type MaskKind, masksAt, type RiseSeed } from '../kernels/mask-source.js';
import { maskedConv2d } from '../kernels/masked-conv2d.js';

/** Masks for the images of a batch, as kernels make them while they load: see {@link MaskKind} for the fields. */
export interface MaskSource {
  readonly kind: MaskKind;
  /** Masks an image has. */
  readonly count: number;
  readonly field?: Value | undefined;
  readonly labels?: Value | undefined;
  /** Whether `field` has rows for each image in turn. */
  readonly perImage?: boolean;
  readonly rise?: RiseSeed & { readonly grid: number };
  /** Where masks repeat: which one each is, `order` [N,count], and how many of an image's differ, `count` [N]; see {@link liveFirst}. */
  readonly asked?: { readonly order: Value; readonly count: Value };
}

/** What is masked: images [N,3,H,W], and what shows where a mask is 0 (black without). Stored as the network stores its values, as fields are. */
export interface Maskable {
  readonly x: Value;
  readonly canvas?: Value | undefined;
}

/**
 * Masks first .. first+count of one image at full size, [count,H,W].
 *
 * @param size [H, W]
 */
export function masksAtFullSize(
  recorder: Recorder,
  masks: MaskSource,
  size: readonly [number, number],
  place: { readonly image: number; readonly first: number; readonly count: number },
  images: number,
): Value {
  const { kind: source, field, labels, perImage = false, rise } = masks;
  const at = recorder.constant(masksAt(place.image, place.first, rise));
  return recorder.k(
    expandMasks,
    { field, labels: labels?.reshape([labels.size]), at },
    {
      source,
      count: place.count,
      perImage,
      images,
      outputSize: size,
      ...(rise && { grid: rise.grid }),
    },
  );
}

/**
 * Masked copies of one image as a network's input [count,3,H,W]: made while the first convolution loads them, so that they are never in memory.
 * Networks that begin otherwise get them written out, and a plan counts them.
 */
export class MaskedInput {
  readonly #at: Value;
  readonly #masks: MaskSource;
  /** A software adapter loads masks cheaper than it makes them: there they are made once, at full size, a third of what the copies would take. */
  readonly #expanded: Value | undefined;

  constructor(
    readonly recorder: Recorder,
    readonly what: Maskable,
    masks: MaskSource,
    readonly place: { readonly image: number; readonly first: number; readonly count: number },
  ) {
    const [N, , H, W] = what.x.shape;
    const isWhole = masks.field?.shape[1] === H && masks.field.shape[2] === W;
    if (!isWhole && recorder.caps.kind === 'software') {
      const expand = () => masksAtFullSize(recorder, masks, [H, W], place, N);
      this.#expanded = recorder.storing(what.x.dtype === 'f16' ? 'f16' : 'f32', expand);
      this.#masks = { kind: 'maps', count: place.count, field: this.#expanded };
      this.#at = recorder.constant(masksAt(place.image, 0));
    } else {
      this.#masks = masks;
      this.#at = recorder.constant(masksAt(place.image, place.first, masks.rise));
    }
  }

  /** [count,3,H,W] */
  get shape(): readonly number[] {
    return [this.place.count, ...this.what.x.shape.slice(1)];
  }

  /** Records a convolution of the copies. */
  conv2d(
    { w, b }: { readonly w: Value | Tensor; readonly b?: Value | Tensor | undefined },
    options: Omit<Conv2dOptions, 'pool'>,
    into: Value | undefined,
  ): Value {
    const { kind: source, field, labels, perImage = false, rise } = this.#masks;
    return this.recorder.k(
      maskedConv2d,
      { ...this.what, w, b, field, labels: labels?.reshape([labels.size]), at: this.#at },
      { ...options, source, count: this.place.count, perImage, ...(rise && { grid: rise.grid }) },
      { into },
    );
  }

  /** Records the copies themselves. */
  value(): Value {
    const { x, canvas } = this.what;
    const [N, , H, W] = x.shape;
    const mask =
      this.#expanded ?? masksAtFullSize(this.recorder, this.#masks, [H, W], this.place, N);
    return this.recorder.k(blend, { x, mask, canvas }, { image: this.place.image });
  }
}
