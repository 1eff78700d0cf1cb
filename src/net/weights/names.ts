import type { WeightEntry } from './types.js';

// What wrappers put before every name: DataParallel, and torch.compile.
const PREFIXES = ['module.', '_orig_mod.'];

/** The entries without the prefixes that wrappers put before every name, and which ones were dropped. */
export function dropPrefixes(entries: ReadonlyMap<string, WeightEntry>): {
  entries: ReadonlyMap<string, WeightEntry>;
  dropped: string[];
} {
  let current = entries;
  const dropped: string[] = [];
  while (dropped.length < 4) {
    const names = [...current.keys()];
    const prefix = PREFIXES.find((p) => names.every((name) => name.startsWith(p)));
    if (prefix === undefined || names.length === 0) break;
    current = withoutPrefix(current, prefix);
    dropped.push(prefix);
  }
  return { entries: current, dropped };
}

/** The entries renamed; all names must start with `prefix`. */
export function withoutPrefix(
  entries: ReadonlyMap<string, WeightEntry>,
  prefix: string,
): Map<string, WeightEntry> {
  const renamed = new Map<string, WeightEntry>();
  for (const entry of entries.values()) {
    const name = entry.name.slice(prefix.length);
    renamed.set(name, { ...entry, name });
  }
  return renamed;
}
