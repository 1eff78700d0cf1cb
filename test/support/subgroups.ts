import { expect } from 'vitest';

/** How a device forms subgroups of a workgroup: of neighbours, or of invocations that lie as far apart as they can. */
export interface Subgroups {
  readonly size: number;
  readonly of: 'neighbours' | 'strangers';
}

/**
 * A shader with its subgroup operations written out in plain WGSL, by way of workgroup memory: for operations that stand where all invocations of a
 * workgroup come together.
 *
 * Invocations that leave a loop at different turns need not be together again before the next barrier, and here they are not: each operation is of those
 * members of a subgroup that made the same number of turns in the last loop.
 *
 * @param width invocations of a workgroup
 */
export function subgroupsWrittenOut(code: string, { size, of }: Subgroups, width: number): string {
  const many = Math.max(1, width / size);
  const changed = code
    .replace(/^enable subgroups;$/gm, '')
    .replace(/\bfor \(([^{]*)\) \{/g, 'turns = 0u; for ($1) { turns++;')
    .replace(/\bworkgroupBarrier\(\);/g, '$& turns = 0u;')
    .replace(/\bsubgroupExclusiveAdd\(1u\)/g, 'rank_of()')
    .replace(/\bsubgroupAdd\(1u\)/g, 'count_of()')
    .replace(/\bsubgroupMin\((i|lane)\) == \1/g, 'rank_of() == 0u')
    .replace(/\bsubgroupAdd\(/g, 'sum_of(')
    .replace(/\bsubgroupMax\(/g, 'most_of(')
    .replace(/@builtin\(local_invocation_index\) (\w+): u32\) \{/, '$& here = $1;');
  expect(changed).not.toMatch(/\bsubgroup[A-Z]/);
  expect(changed).toContain('here = ');
  return `${changed}
var<private> here: u32;
var<private> turns: u32;
var<workgroup> turns_of: array<u32, ${width}>;
var<workgroup> values: array<f32, ${width}>;

fn subgroup_of(i: u32) -> u32 { return i ${of === 'neighbours' ? `/ ${size}u` : `% ${many}u`}; }
fn is_with(other: u32) -> bool {
  return subgroup_of(other) == subgroup_of(here) && turns_of[other] == turns;
}
fn tell(value: f32) {
  workgroupBarrier();
  values[here] = value;
  turns_of[here] = turns;
  workgroupBarrier();
}
fn sum_of(value: f32) -> f32 {
  tell(value);
  var sum = 0.0;
  for (var other = 0u; other < ${width}u; other++) { if (is_with(other)) { sum += values[other]; } }
  return sum;
}
fn most_of(value: f32) -> f32 {
  tell(value);
  var most = value;
  for (var other = 0u; other < ${width}u; other++) { if (is_with(other)) { most = max(most, values[other]); } }
  return most;
}
fn count_of() -> u32 { return u32(sum_of(1.0)); }
fn rank_of() -> u32 {
  tell(0.0);
  var rank = 0u;
  for (var other = 0u; other < here; other++) { if (is_with(other)) { rank++; } }
  return rank;
}
`;
}
