import type { Prediction } from '../cam/predict.js';
import type { Net } from '../net/net.js';

/**
 * The five likeliest classes of one image, from logits that an explanation has computed anyway: a second forward pass, as `predict`
 * would make, costs seconds on a software adapter. Of equal logits the lower class comes first; NaN comes last.
 */
export function topFive(net: Net, logits: Float32Array): Prediction[] {
  const rank = (classId: number) =>
    Number.isNaN(logits[classId]) ? Number.NEGATIVE_INFINITY : logits[classId];
  const order = Array.from(logits, (_, classId) => classId).sort(
    (a, b) => rank(b) - rank(a) || a - b,
  );
  const largest = logits[order[0]];
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return order.slice(0, 5).map((classId) => ({
    classId,
    label: net.label(classId),
    logit: logits[classId],
    probability: Math.exp(logits[classId] - largest) / sum,
  }));
}

/** `243 bull mastiff 45.1 %` */
export const shortly = ({ classId, label, probability }: Prediction): string =>
  `${classId} ${label} ${(100 * probability).toFixed(1)} %`;
