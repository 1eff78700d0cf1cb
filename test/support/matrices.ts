/** Variants for devices whose subgroups multiply matrices: none runs the tests, so there the shaders run with those products written out. */
import { expect } from 'vitest';
import { type Caps, coreCaps } from '../../src/gpu/caps.js';
import type { Kernel } from '../../src/kernels/kernel.js';

/** One shape of matrices, as a device lists it. */
export const shapesOf = (side: number, componentType: string, resultComponentType = 'f32') => [
  { M: side, N: side, K: side, componentType, resultComponentType },
];

/** Of a GPU that lists these shapes. */
export const capsWith = (matrices: Caps['matrices'], more: readonly string[] = []): Caps => ({
  ...coreCaps,
  features: new Set(['subgroups', ...more]),
  matrices,
});

/** The same kernel by its variant for matrices of such a side, as a workgroup of so many subgroups runs it. */
export const byMatrices = <Reads extends string, Results extends string, Options>(
  kernel: Kernel<Reads, Results, Options>,
  side: number,
  subgroups: number,
): Kernel<Reads, Results, Options> => ({
  ...kernel,
  plan: (reads, options, settings) => {
    const caps = capsWith(shapesOf(side, 'f32'));
    const plan = kernel.plan(reads, options, { ...settings, caps, variant: `matrix-${side}` });
    return { ...plan, code: matricesWrittenOut(plan.code, subgroups) };
  },
});

/**
 * A shader with its products of matrices in plain WGSL, for workgroups of 128 in so many subgroups: of sums an invocation has every so-manieth element, a
 * factor is the place in workgroup memory that it was loaded from.
 */
function matricesWrittenOut(code: string, subgroups: number): string {
  const load = /subgroupMatrixLoad<(Left|Right), (row|col)_major>\(&(\w+), (.*), (\w+)\);/g;
  const loads = [...code.matchAll(load)];
  expect(loads.map(([, factor]) => factor)).toEqual(['Left', 'Right']);
  const [left, right] = loads.map(([, , order, from, , stride]) => {
    // Element (i, j) of the factor that begins at `at`.
    return (at: string, i: string, j: string) =>
      order === 'row'
        ? `${from}[${at} + ${i} * ${stride} + ${j}]`
        : `${from}[${at} + ${j} * ${stride} + ${i}]`;
  });
  const changed = code
    .replace(/^enable .*;$/gm, '')
    .replace(/subgroup_matrix_(left|right)<\w+, SIDE, SIDE>/g, 'u32')
    .replace(/subgroup_matrix_result<\w+, SIDE, SIDE>/g, 'array<f32, OWN>')
    .replace(
      /,\s*@builtin\(subgroup_id\).*u32\) \{/,
      `) {\n  let subgroups = ${subgroups}u; let subgroup = lane / LANES; element = lane % LANES;`,
    )
    .replace(load, '$4;')
    .replace(/subgroupMatrixMultiplyAccumulate\(/, 'multiply_add(')
    .replace(/subgroupMatrixStore<row_major>\(&sums, /, 'store(');
  expect(changed).not.toMatch(/subgroupMatrix|subgroup_/);
  return `${changed}
const LANES = ${128 / subgroups}u;
const OWN = (SIDE * SIDE + LANES - 1u) / LANES;
var<private> element: u32;
fn multiply_add(left: Left, right: Right, given: Sums) -> Sums {
  var m = given;
  for (var i = 0u; i < OWN; i++) {
    let e = element + i * LANES;
    if (e >= SIDE * SIDE) { continue; }
    for (var d = 0u; d < SIDE; d++) {
      m[i] += ${left('left', 'e / SIDE', 'd')} * ${right('right', 'd', 'e % SIDE')};
    }
  }
  return m;
}
fn store(at: u32, given: Sums, stride: u32) {
  var m = given;
  for (var i = 0u; i < OWN; i++) {
    let e = element + i * LANES;
    if (e < SIDE * SIDE) { sums[at + e / SIDE * stride + e % SIDE] = m[i]; }
  }
}
`;
}
