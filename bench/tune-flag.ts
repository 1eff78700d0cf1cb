import { tuneAbout } from '../src/cli/flags.js';
import { type TuneMode, tuneModes } from '../src/gpu/tuner.js';

/** Lines on `--tune` for a command's help, in columns as wide as its own. */
export const tuneUsage = (width: number): string => {
  const [first, ...rest] = tuneAbout.split(/; /);
  const indent = ' '.repeat(width + 2);
  return [`  ${'--tune WHEN'.padEnd(width)}${first}`, ...rest.map((line) => indent + line)].join(
    '\n',
  );
};

/** How `parseArgs` reads it. */
export const tuneOption = { tune: { type: 'string' } } as const;

/** The mode that `--tune` names; `never` without it. @throws RangeError with one line */
export function tuneModeOf(text: string | undefined): TuneMode {
  const mode = tuneModes.find((name) => name === (text ?? tuneModes[0]));
  if (mode) return mode;
  throw new RangeError(`--tune ${text}: should be ${tuneModes.join(' or ')}`);
}
