import type { Value } from '../gpu/value.js';
import { gradient, type RuleSet } from '../net/rules.js';
import type { Scene } from './method.js';

/**
 * What arrives at the pixels when the target is sent back through the network: [N,3,H,W].
 *
 * @param rules how each node passes it on; default the plain gradient
 */
export function backToInput(scene: Scene, rules: RuleSet = gradient): Value {
  const from = scene.target.node ?? scene.net.graph.output;
  const { dy } = scene.seed(scene.trace);
  return scene.trace.backward(from, dy, ['input'], rules).get('input')!;
}
