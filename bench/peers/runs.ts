import { median } from '../stats.js';
import type { PeerName } from './peer.js';
import type { CaseResult, PeerResult } from './rounds.js';

/**
 * What was measured now and, of cases that were not, what an earlier run has: in the order of `all`, behind those the ones that are none of them any more, such
 * as Score-CAM of another number of maps.
 */
export function together<T extends CaseResult>(
  all: readonly { readonly id: string; readonly about: string }[],
  now: readonly T[],
  earlier: readonly T[],
): T[] {
  const found = new Map([...earlier, ...now].map((c) => [c.id, c]));
  const named = all.flatMap(({ id, about }) => {
    const c = found.get(id);
    return c ? [{ ...c, about }] : [];
  });
  const isNamed = new Set(all.map(({ id }) => id));
  return [...named, ...[...found.values()].filter(({ id }) => !isNamed.has(id))];
}

/** A case as one or several runs have measured it, each in a browser of its own. */
export interface PooledCase extends CaseResult {
  /** {@link ratioToBest} of each run, where there were several. */
  readonly ratios?: readonly number[];
}

/** Peers that compute on the same adapter as we do. */
const onAdapter: readonly PeerName[] = ['tfjs-webgpu', 'ort-webgpu', 'ort-plain'];

/** What a case has of a peer. */
export const peerOf = ({ peers }: CaseResult, name: string): PeerResult | undefined =>
  peers.find(({ peer }) => peer === name);

/** How many times as long as ours a peer takes: warm by warm, or where one has its first run only, first by first. */
export function ratioTo(c: CaseResult, name: PeerName): number | undefined {
  const [own, peer] = [peerOf(c, 'ours'), peerOf(c, name)];
  if (!own || !peer || own.isWrong) return undefined;
  if (own.medianMs !== undefined && peer.medianMs !== undefined)
    return peer.medianMs / own.medianMs;
  if (own.coldMs !== undefined && peer.coldMs !== undefined) return peer.coldMs / own.coldMs;
  return undefined;
}

/** The same of the best of the peers on our adapter whose result is right; of several runs the median. */
export function ratioToBest(c: PooledCase): number | undefined {
  if (c.ratios && c.ratios.length > 0) return median(c.ratios);
  const ratios = onAdapter.flatMap((name) =>
    peerOf(c, name)?.isWrong ? [] : (ratioTo(c, name) ?? []),
  );
  return ratios.length > 0 ? Math.min(...ratios) : undefined;
}

/**
 * Several runs of a case as one: all rounds together, the median of the ratios. A peer has been wrong if it was once, and a reason why there is no more of it
 * is kept from whichever run gave one.
 *
 * @param runs at least one, of the same case
 */
export function pooled(runs: readonly CaseResult[]): PooledCase {
  if (runs.length === 1) return runs[0];
  const names = new Set(runs.flatMap(({ peers }) => peers.map(({ peer }) => peer)));
  const ceilings = runs.flatMap(({ ceilingGflops }) => ceilingGflops ?? []);
  return {
    ...runs[0],
    ...(ceilings.length > 0 && { ceilingGflops: median(ceilings) }),
    peers: [...names].map((name) =>
      pooledPeer(
        runs.flatMap((run) => peerOf(run, name) ?? []),
        runs[0].flops,
      ),
    ),
    ratios: runs.flatMap((run) => ratioToBest(run) ?? []),
  };
}

function pooledPeer(results: readonly PeerResult[], flops: number | undefined): PeerResult {
  const numbers = (of: (p: PeerResult) => number | undefined) =>
    results.flatMap((p) => of(p) ?? []);
  // The run that got furthest has the counts.
  const best =
    results.find(({ state }) => state === 'measured') ??
    results.find(({ state }) => state === 'once') ??
    results[0];
  const reason = results.find((p) => p.reason !== undefined)?.reason;
  const [colds, errors] = [numbers((p) => p.coldMs), numbers((p) => p.error)];
  const warmMs = results.flatMap((p) => p.warmMs ?? []);
  const peaks = numbers((p) => p.peakBytes);
  const shares = numbers((p) => p.fmaShare);
  const medianMs = warmMs.length > 0 ? median(warmMs) : undefined;
  return {
    ...best,
    ...(reason !== undefined && { reason }),
    ...(colds.length > 0 && { coldMs: median(colds) }),
    ...(errors.length > 0 && { error: Math.max(...errors) }),
    ...(results.some((p) => p.isWrong) && { isWrong: true }),
    ...(medianMs !== undefined && { warmMs, medianMs }),
    ...(medianMs !== undefined && flops && { gflops: flops / medianMs / 1e6 }),
    ...(peaks.length > 0 && { peakBytes: Math.max(...peaks) }),
    ...(shares.length > 0 && { fmaShare: median(shares) }),
  };
}
