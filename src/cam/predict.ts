import { LayerError } from '../errors.js';
import { Recorder } from '../gpu/recorder.js';
import type { Value } from '../gpu/value.js';
import { softmax } from '../kernels/softmax.js';
import { topK } from '../kernels/top-k.js';
import type { Net } from '../net/net.js';
import { inputValue, type NetInput } from './input.js';

/** One of a network's best guesses. */
export interface Prediction {
  readonly classId: number;
  readonly label: string;
  readonly logit: number;
  readonly probability: number;
}

/**
 * The most likely classes of each image, the likeliest first.
 *
 * @param input photos, or [N,3,H,W] normalised as the network wants it
 * @param count how many; at most 16 and the number of classes
 */
export async function predict(net: Net, input: NetInput, count = 5): Promise<Prediction[][]> {
  if (!net.gpu)
    throw new LayerError(`predict: ${net.name} has no weights: load them with Net.load`);
  const recorder = Recorder.on(net.gpu);
  const x = inputValue(recorder, net, input);
  const trace = net.trace(recorder, x);
  const outputs = recordPredictions(recorder, trace.output, count);
  const tensors = await recorder.run(outputs);
  try {
    const [logits, indices, probabilities] = await net.gpu.read(tensors);
    return predictionsFrom(net, x.shape[0], logits, indices, probabilities);
  } finally {
    for (const tensor of tensors) tensor.destroy();
  }
}

function recordPredictions(recorder: Recorder, y: Value, count: number): Value[] {
  const k = Math.min(count, 16, y.shape[1]);
  const { values, indices } = recorder.k(topK, { x: y }, { k });
  const p = recorder.k(softmax, { x: y });
  return [values, indices, recorder.k(topK, { x: p }, { k }).values];
}

function predictionsFrom(
  net: Net,
  batch: number,
  logits: ArrayLike<number>,
  indices: ArrayLike<number>,
  probabilities: ArrayLike<number>,
): Prediction[][] {
  const count = logits.length / batch;
  return Array.from({ length: batch }, (_, n) =>
    Array.from({ length: count }, (_, i) => {
      const at = n * count + i;
      return {
        classId: indices[at],
        label: net.label(indices[at]),
        logit: logits[at],
        probability: probabilities[at],
      };
    }),
  );
}
