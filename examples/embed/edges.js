// A plain WebGPU program that borrows one kernel. It has its own device, buffers, encoder and shaders, and knows nothing
// of this library but `recordConv2d` (part 1) and the text of the shader (part 2).
//
//   paint (host's pass) -> Sobel filters (borrowed) -> length of the gradient (host's pass)
//
// In a page use navigator.gpu; in Node `platformGpu()` finds one. Bundle with a text loader for .wgsl:
//   npx esbuild edges.js --bundle --format=esm --platform=node --packages=external --loader:.wgsl=text
import { conv2d, recordConv2d } from 'webgpu-cam/kernels';
import { platformGpu } from 'webgpu-cam/node';
import conv2dText from 'webgpu-cam/shaders/conv/conv2d.wgsl';

const size = 64;
const sobel = new Float32Array([-1, 0, 1, -2, 0, 2, -1, 0, 1, -1, -2, -1, 0, 0, 0, 1, 2, 1]);

const paint = `
@group(0) @binding(0) var<storage, read_write> image: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = vec2f(vec2u(id.x % ${size}, id.x / ${size})) - ${size / 2};
  image[id.x] = select(0.0, 1.0, length(at) < 20.0);
}`;

const lengths = `
@group(0) @binding(0) var<storage, read_write> image: array<f32>;
@group(0) @binding(1) var<storage, read_write> slopes: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  image[id.x] = length(vec2f(slopes[id.x], slopes[id.x + ${size * size}]));
}`;

const gpu = await platformGpu();
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice();
device.onuncapturederror = ({ error }) => {
  throw error;
};

const STORAGE = 0x80;
const COPY_SRC = 0x04;
const COPY_DST = 0x08;
const MAP_READ = 0x01;
const make = (floats, usage = STORAGE | COPY_SRC | COPY_DST) =>
  device.createBuffer({ size: floats * 4, usage });
const image = make(size * size);
const slopes = make(2 * size * size);
const filters = make(sobel.length);
device.queue.writeBuffer(filters, 0, sobel);

const pipeline = (code, constants) =>
  device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), constants },
  });

function dispatch(pass, made, buffers, workgroups) {
  pass.setPipeline(made);
  const entries = Object.entries(buffers).map(([binding, buffer]) => ({
    binding: Number(binding),
    resource: { buffer },
  }));
  pass.setBindGroup(0, device.createBindGroup({ layout: made.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(workgroups);
}

async function read(buffer) {
  const staging = make(buffer.size / 4, MAP_READ | COPY_DST);
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, buffer.size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const copy = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return copy;
}

// Part 1: the kernel in the middle of the host's own pass.
const x = { buffer: image, shape: [1, 1, size, size] };
const w = { buffer: filters, shape: [2, 1, 3, 3] };
await recordConv2d.prepare({ device, x, w, pad: 1 });
const encoder = device.createCommandEncoder();
const pass = encoder.beginComputePass();
dispatch(pass, pipeline(paint), { 0: image }, (size * size) / 64);
const plan = recordConv2d(pass, { device, x, w, y: { buffer: slopes }, pad: 1 });
dispatch(pass, pipeline(lengths), { 0: image, 1: slopes }, (size * size) / 64);
pass.end();
device.queue.submit([encoder.finish()]);
const edges = await read(image);
const borrowed = await read(slopes);

// Part 2: only the text. plan() gives the values of its constants and the number of workgroups.
const { constants, workgroups } = conv2d.plan({ x, w }, { pad: 1 }, { variant: 'direct' });
const again = device.createCommandEncoder();
const textPass = again.beginComputePass();
dispatch(textPass, pipeline(paint), { 0: image }, (size * size) / 64);
// The binding of the bias stays empty: HAS_B is 0, but a buffer must be there.
const conv = device.createComputePipeline({
  layout: device.createPipelineLayout({
    bindGroupLayouts: [
      device.createBindGroupLayout({
        entries: ['read-only-storage', 'read-only-storage', 'read-only-storage', 'storage'].map(
          (type, binding) => ({ binding, visibility: 4, buffer: { type } }),
        ),
      }),
    ],
  }),
  compute: { module: device.createShaderModule({ code: conv2dText }), constants },
});
dispatch(textPass, conv, { 0: image, 1: filters, 2: filters, 3: slopes }, workgroups[0]);
textPass.end();
device.queue.submit([again.finish()]);
const fromText = await read(slopes);

// What both should be, in JavaScript.
const disc = (h, v) => {
  if (h < 0 || v < 0 || h >= size || v >= size) return 0;
  return Math.hypot(h - size / 2, v - size / 2) < 20 ? 1 : 0;
};
let wrong = 0;
let onEdge = 0;
for (let h = 0; h < size; h++) {
  for (let v = 0; v < size; v++) {
    const slope = [0, 1].map((k) => {
      let sum = 0;
      for (let r = 0; r < 3; r++)
        for (let s = 0; s < 3; s++) sum += sobel[(k * 3 + r) * 3 + s] * disc(h + r - 1, v + s - 1);
      return sum;
    });
    const i = h * size + v;
    for (const k of [0, 1]) {
      if (borrowed[k * size * size + i] !== slope[k]) wrong++;
      if (fromText[k * size * size + i] !== slope[k]) wrong++;
    }
    const length = Math.hypot(...slope);
    if (!(Math.abs(edges[i] - length) < 1e-5)) wrong++;
    if (length > 0) onEdge++;
  }
}
device.destroy();

const ok = wrong === 0 && onEdge > 0;
console.log(
  `${ok ? 'ok' : 'WRONG'}: ${onEdge} edge pixels, ${wrong} wrong values, variant ${plan.variant}`,
);
process.exitCode = ok ? 0 : 1;
