import { expect, test } from 'vitest';
import { coreCaps } from '../../src/gpu/caps.js';
import { memoryTable } from '../../src/gpu/plan-table.js';
import { Recorder } from '../../src/gpu/recorder.js';
import { placeholder } from '../../src/gpu/value.js';
import { add } from '../../src/kernels/add.js';
import { relu } from '../../src/kernels/relu.js';

test('the largest value that is written is found, among any number of dispatches', () => {
  const recorder = new Recorder(coreCaps);
  const wide = recorder.k(relu, { x: placeholder([3, 2 ** 20]) });
  const plan = recorder.plan([recorder.k(add, { a: wide, b: placeholder([3, 2 ** 20]) })]);
  const small = new Recorder(coreCaps);
  const many = small.plan([small.k(relu, { x: placeholder([4]) })]).steps;
  const steps = [...Array.from({ length: 300_000 }, () => many[0]), ...plan.steps];
  const rows = memoryTable({ ...plan, steps });
  expect(rows).toContainEqual(['largest of them', '12 MiB']);
});
