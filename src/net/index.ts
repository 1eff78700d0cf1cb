export type { Architecture, Preprocessing } from './architecture.js';
export { deepLift, deepLiftTaps } from './deep-lift.js';
export { type Fit, fittingNetworks, fitWeights } from './fit.js';
export { Graph, type Module, type Node, type OpKind } from './graph.js';
export {
  alphaBetaRule,
  type Composite,
  composites,
  epsilonRule,
  firstConvolution,
  flatRule,
  gammaRule,
  type RelevanceOptions,
  relevanceOfTheRest,
  relevanceRules,
  wSquareRule,
  zBoxRule,
  zPlusRule,
} from './lrp.js';
export * as modules from './modules.js';
export { type InputSize, type LayerInfo, Net, type NetOptions, type PlanOptions } from './net.js';
export { type ParamSource, Params } from './params.js';
export {
  any,
  deconv,
  derivative,
  gradient,
  guided,
  kind,
  type Match,
  type Rule,
  type RuleSet,
} from './rules.js';
export { Trace, type TraceOptions } from './trace.js';
export {
  type TransformerComposite,
  transformerComposites,
  transformerRules,
} from './transformer-rules.js';
export * from './weights/index.js';
export { embeddedNetworks, networkNamed, networks } from './zoo/index.js';
