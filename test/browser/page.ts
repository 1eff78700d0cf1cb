/** What the tests call in the page: `page.evaluate(() => inPage.kernels())`. Everything returned is JSON. */
import { Gpu } from '../../src/gpu/device.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { Photo } from '../../src/image/photo.js';
import { relu } from '../../src/kernels/relu.js';
import { type GoldenCase, goldenKernels } from '../golden/kernels.js';
import { allKernels } from '../support/all-kernels.js';
import { explainPhoto } from './explain-run.js';
import { encode, runKernels } from './kernel-run.js';

async function adapterName(): Promise<string> {
  using gpu = await Gpu.request();
  return gpu.adapterName;
}

/** Results of all kernels, encoded, and the bytes still held afterwards. */
async function kernels() {
  using gpu = await Gpu.request();
  const results = encode(await runKernels(gpu, allKernels));
  return { results, liveBytes: gpu.liveBytes };
}

async function hostDevice(): Promise<GPUDevice> {
  const adapter = await navigator.gpu.requestAdapter();
  return adapter!.requestDevice();
}

async function reluOf(gpu: Gpu, numbers: readonly number[]): Promise<number[]> {
  const recorder = Recorder.on(gpu);
  const y = recorder.k(relu, { x: recorder.constant(Float32Array.from(numbers)) });
  const [tensor] = await recorder.run([y]);
  const data = [...(await tensor.read())];
  tensor.destroy();
  return data;
}

/** Two devices of the host at work at once. */
async function twoAdopted() {
  const devices = await Promise.all([hostDevice(), hostDevice()]);
  const gpus = devices.map((device) => Gpu.adopt(device));
  const results = await Promise.all(gpus.map((gpu, i) => reluOf(gpu, [-1, i + 1, 0.5])));
  const separate = gpus[0].pipelines !== gpus[1].pipelines;
  for (const gpu of gpus) gpu.destroy();
  for (const device of devices) device.destroy();
  return { results, separate };
}

/** What is left of the host's device after we have used it and gone. */
async function adoptAndLeave() {
  const device = await hostDevice();
  const uncaptured: string[] = [];
  const gpu = Gpu.adopt(device);
  const result = await reluOf(gpu, [-3, 4]);
  const handlerWhileUsed = device.onuncapturederror === null;
  const scopesAreEmpty = await device.popErrorScope().then(
    () => false,
    (error: DOMException) => error.name === 'OperationError',
  );
  gpu.destroy();
  const { liveBytes } = gpu;

  // The host's own work, errors included, is its own again.
  device.addEventListener('uncapturederror', (event) => {
    uncaptured.push((event as GPUUncapturedErrorEvent).error.message);
    event.preventDefault();
  });
  const buffer = device.createBuffer({ size: 4, usage: GPUBufferUsage.MAP_READ | 8 });
  device.queue.writeBuffer(buffer, 0, Float32Array.of(1.5));
  await buffer.mapAsync(GPUMapMode.READ);
  const mapped = new Float32Array(buffer.getMappedRange())[0];
  device.createBuffer({ size: 4, usage: 0 });
  await device.queue.onSubmittedWorkDone();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const lost = await Promise.race([device.lost.then(() => true), Promise.resolve(false)]);
  device.destroy();
  return { result, handlerWhileUsed, scopesAreEmpty, liveBytes, mapped, lost, uncaptured };
}

/** A device that goes away while work is under way, and a fresh one after it. */
async function lose() {
  const gpu = await Gpu.request();
  const pending = reluOf(gpu, [1, 2, 3]).then(
    () => 'done',
    (error: Error) => error.name,
  );
  gpu.device.destroy();
  const first = await pending;
  const second = await reluOf(gpu, [1]).then(
    () => 'done',
    (error: Error) => error.name,
  );
  using fresh = await Gpu.request();
  return { first, second, fresh: await reluOf(fresh, [-1, 2]) };
}

async function fetched(path: string): Promise<Response> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}

/** Up to `most` golden kernel cases of one file, spread over it: comparisons made, and those beyond their tolerance. */
async function golden(op: string, most: number) {
  const json = await (await fetched(`/golden/kernels/${op}.json`)).text();
  const tensors = await (await fetched(`/golden/kernels/${op}.safetensors`)).arrayBuffer();
  const { cases } = goldenKernels(op, json, new Uint8Array(tensors));
  using gpu = await Gpu.request();
  const wrong: string[] = [];
  let checked = 0;
  const checkCase = async ({ name, run }: GoldenCase) => {
    for (const { key, error, tolerance } of await run(gpu)) {
      checked++;
      if (!(error <= tolerance)) wrong.push(`${name}/${key}: ${error} > ${tolerance}`);
    }
  };
  const step = Math.max(1, cases.length / most);
  for (let i = 0; i < cases.length; i += step) await checkCase(cases[Math.floor(i)]);
  return { checked, wrong, liveBytes: gpu.liveBytes };
}

/** Grad-CAM of a class, of a photo that the server has. */
async function explained(
  photoPath: string,
  weightsPath: string,
  network: string | undefined,
  classId: number,
) {
  using gpu = await Gpu.request();
  const weights = new Uint8Array(await (await fetched(weightsPath)).arrayBuffer());
  const bitmap = await createImageBitmap(await (await fetched(photoPath)).blob(), {
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  });
  const photo = Photo.fromExternal(gpu, bitmap);
  const { map, overlay, ...rest } = await explainPhoto(gpu, network, weights, photo, classId);
  const pixels = await photo.pixels.readUint();
  photo.destroy();
  const images = encode({ map, overlay: new Uint32Array(overlay.buffer), pixels });
  return { ...rest, images, liveBytes: gpu.liveBytes };
}

/** A photo from everything a page can hand over: how many bytes differ from what was drawn. */
async function sources(): Promise<Record<string, number>> {
  using gpu = await Gpu.request();
  const [width, height] = [37, 21];
  const drawn = new ImageData(width, height);
  for (let i = 0; i < drawn.data.length; i++) drawn.data[i] = i % 4 === 3 ? 255 : (i * 31) % 256;
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext('2d')!.putImageData(drawn, 0, 0);
  const element = document.createElement('canvas');
  [element.width, element.height] = [width, height];
  element.getContext('2d')!.putImageData(drawn, 0, 0);
  const texture = gpu.device.createTexture({
    size: [width, height],
    format: 'rgba8unorm',
    usage: GPUTextureUsage.COPY_SRC | GPUTextureUsage.COPY_DST,
  });
  const layout = { bytesPerRow: 4 * width };
  gpu.device.queue.writeTexture({ texture }, drawn.data, layout, [width, height]);
  const frame = new VideoFrame(drawn.data, {
    format: 'RGBA',
    codedWidth: width,
    codedHeight: height,
    timestamp: 0,
  });
  const made = {
    ImageBitmap: () => createImageBitmap(drawn).then((b) => Photo.fromExternal(gpu, b)),
    ImageData: () => Photo.fromExternal(gpu, drawn),
    OffscreenCanvas: () => Photo.fromExternal(gpu, canvas),
    HTMLCanvasElement: () => Photo.fromExternal(gpu, element),
    VideoFrame: () => Photo.fromExternal(gpu, frame),
    GPUTexture: () => Photo.fromTexture(gpu, texture),
    bytes: () => Photo.fromRgba(gpu, { width, height, rgba: drawn.data }),
  };
  const wrong: Record<string, number> = {};
  for (const [name, make] of Object.entries(made)) {
    const photo = await make();
    const bytes = new Uint8Array((await photo.pixels.readUint()).buffer);
    wrong[name] = bytes.reduce((sum, b, i) => sum + (Math.abs(b - drawn.data[i]) > 1 ? 1 : 0), 0);
    photo.destroy();
  }
  frame.close();
  texture.destroy();
  return wrong;
}

/** Photos with more pixels in a row, or rows, than a texture may have: how many bytes differ from what was drawn. */
async function largeSources(): Promise<Record<string, number>> {
  using gpu = await Gpu.request();
  const long = gpu.device.limits.maxTextureDimension2D + 5;
  const wrong: Record<string, number> = {};
  for (const [width, height] of [
    [long, 3],
    [3, long],
  ]) {
    const drawn = new ImageData(width, height);
    for (let i = 0; i < drawn.data.length; i++) drawn.data[i] = i % 4 === 3 ? 255 : (i * 31) % 251;
    const photo = Photo.fromExternal(gpu, await createImageBitmap(drawn));
    const bytes = new Uint8Array((await photo.pixels.readUint()).buffer);
    wrong[`${width} x ${height}`] = drawn.data.reduce((sum, b, i) => sum + +(b !== bytes[i]), 0);
    photo.destroy();
  }
  return wrong;
}

const inPage = {
  sources,
  largeSources,
  explained,
  golden,
  adapterName,
  kernels,
  twoAdopted,
  adoptAndLeave,
  lose,
};
export type InPage = typeof inPage;
(globalThis as unknown as { inPage: InPage }).inPage = inPage;
