import { kernel } from '../../src/kernels/kernel.js';

/** y = x + 1, after `rounds` turns of work that changes nothing (x is not negative) and that no compiler can leave out. */
export const shader = (rounds: number) => `
  alias elem = f32;
  override SIZE: u32;
  override GX = 64u;
  @group(0) @binding(0) var<storage, read> x: array<elem>;
  @group(0) @binding(1) var<storage, read_write> y: array<elem>;
  @compute @workgroup_size(GX) fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= SIZE) { return; }
    var wasted = 0.0;
    for (var i = 0u; i < ${rounds}u; i++) { wasted = sin(wasted + f32(x[(id.x + i) % SIZE])); }
    y[id.x] = elem(f32(x[id.x]) + 1.0 + min(0.0, wasted + 2.0));
  }`;

/** Workgroups of {@link shader}. */
export const groups = ({ SIZE, GX = 64 }: Readonly<Record<string, number>>) => Math.ceil(SIZE / GX);

/** Its own order is wrong: the slow one stands first. */
export const misjudged = kernel({
  name: 'misjudged',
  reads: { x: '*' },
  results: { y: '*' },
  flops: ({ SIZE }) => SIZE,
  variants: [
    { name: 'slow', code: shader(1000), groups },
    { name: 'unpaid', code: shader(1), pays: () => false, groups },
    { name: 'naive', code: shader(500), groups },
  ],
});
