import type { PreparedNet } from './networks.js';
import type { Prepared } from './prepared.js';
import { relativeL2 } from './stats.js';

/** Largest relative L2 distance of a variant from the naive one: the project's contract. */
export const tolerance = 2e-5;

/** Runs a case's variants and compares each with the naive one. @returns what is wrong, one line each. */
export async function checkKernel(
  prepared: Prepared,
  variants: readonly string[] = prepared.variants,
): Promise<string[]> {
  const { kernel, id } = prepared.source;
  const reference = await prepared.run(prepared.naive);
  const wrong: string[] = [];
  reference.forEach((values, i) => {
    if (values.every((v) => Number.isFinite(v)) && values.some((v) => v !== 0)) return;
    wrong.push(`${id} (${prepared.naive}): ${kernel.resultNames[i]} is all zero or not finite`);
  });
  for (const variant of variants) {
    if (variant === prepared.naive) continue;
    const results = await prepared.run(variant);
    results.forEach((values, i) => {
      const where = `${id} (${variant}): ${kernel.resultNames[i]}`;
      if (values instanceof Uint32Array) {
        const at = values.findIndex((v, j) => v !== reference[i][j]);
        if (at < 0) return;
        wrong.push(`${where}[${at}] is ${values[at]}, ${prepared.naive} has ${reference[i][at]}`);
        return;
      }
      const distance = relativeL2(values, reference[i]);
      if (distance <= tolerance) return;
      wrong.push(
        `${where} is ${distance.toExponential(1)} from ${prepared.naive} (relative L2), should be at most ${tolerance}`,
      );
    });
  }
  return wrong;
}

/** Runs a network twice: finite, not constant, and the same both times. @returns what is wrong, one line each. */
export async function checkNetwork(prepared: PreparedNet): Promise<string[]> {
  const names = ['logits', 'map'];
  const { id } = prepared.source;
  const [first, second] = [await prepared.outputs(), await prepared.outputs()];
  return first.flatMap((values, i) => {
    if (!values.every((v) => Number.isFinite(v))) return `${id}: ${names[i]} are not all finite`;
    if (values.every((v) => v === values[0])) return `${id}: ${names[i]} are all ${values[0]}`;
    const at = values.findIndex((v, j) => v !== second[i][j]);
    if (at < 0) return [];
    return `${id}: ${names[i]}[${at}] is ${values[at]}, in a second run ${second[i][at]}`;
  });
}
