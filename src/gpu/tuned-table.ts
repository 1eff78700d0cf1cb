import { readTuned, writeTuned } from '#platform';
import type { Choices } from './caps.js';

/** Of this package: another version may have other kernels. A test holds it equal to package.json's. */
export const libraryVersion = '0.1.0';

/** Changes with what a file or the names of classes look like. */
const format = 2;

/**
 * What a table of choices is kept under: adapter, driver (browsers tell it in the description, if at all), version of this package, format.
 * Letters that a file's name can have on any system; a hash of the whole tells apart what they cannot.
 */
export function tableKey(info: GPUAdapterInfo | undefined): string {
  const { vendor, architecture, device, description } = info ?? {};
  const { driver } = (info ?? {}) as { driver?: string };
  const words = [vendor, architecture, device, description, driver, libraryVersion, format];
  const whole = words.map((word) => word ?? '').join('|');
  const readable = [vendor, architecture, device].filter(Boolean).join('-') || 'unknown';
  const short = readable.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  return `${short.slice(0, 64).replace(/-$/, '')}-${libraryVersion}-${hash(whole)}`;
}

/** FNV-1a of 32 bits, as 8 hex digits. */
function hash(text: string): string {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) h = Math.imul(h ^ byte, 0x01000193);
  return (h >>> 0).toString(16).padStart(8, '0');
}

/** The table kept under a key; empty if there is none, or it is damaged. Never rejects. */
export async function readTable(key: string): Promise<Choices> {
  try {
    return tableFrom(await readTuned(key));
  } catch {
    return {}; // a cache that cannot be read is as good as none
  }
}

/** Adds to the table kept under a key: another process may have added to it meanwhile. Never rejects. */
export async function addToTable(key: string, choices: Choices): Promise<void> {
  const table = { format, choices: merged(await readTable(key), choices) };
  await writeTuned(key, JSON.stringify(table)).catch(() => undefined);
}

/** A table with another's entries over its own. */
export function merged(under: Choices, over: Choices): Choices {
  const all: Record<string, Readonly<Record<string, string>>> = { ...under };
  for (const kernel in over) all[kernel] = { ...all[kernel], ...over[kernel] };
  return all;
}

function tableFrom(text: string | undefined): Choices {
  if (text === undefined) return {};
  const table = JSON.parse(text) as { format?: unknown; choices?: unknown } | null;
  const choices = table?.format === format ? table.choices : undefined;
  const isTable = isRecord(choices) && Object.values(choices).every(isNames);
  return isTable ? (choices as Choices) : {};
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isNames = (value: unknown): boolean =>
  isRecord(value) && Object.values(value).every((name) => typeof name === 'string');
