import { measures, type SanityVerdict, type Similarity } from '../src/eval/index.js';

/** One method on one network. */
export interface SanityRow {
  readonly network: string;
  /** With its options, if any were given: `lrp:composite=epsilon`. */
  readonly method: string;
  readonly pictures: number;
  readonly seed: string;
  /** Why there is nothing to measure: the method does not fit the network. */
  readonly refused?: string;
  readonly found?: {
    readonly chance: Similarity;
    /** From the output down. */
    readonly steps: readonly {
      readonly layer: string;
      readonly mean: Similarity;
      readonly blank: number;
    }[];
    /** Missing if too few maps show anything. */
    readonly verdict?: SanityVerdict;
  };
}

const digits = (value: number | undefined) => (value === undefined ? '–' : value.toFixed(2));
const percent = (share: number | undefined) =>
  share === undefined ? '–' : `${Math.round(100 * share)}`.replace(/^-0$/, '0');
const verdictOf = ({ found }: SanityRow) =>
  found?.verdict === undefined ? '–' : found.verdict.passes ? 'passes' : '**fails**';

/** A row as one line for a terminal. */
export function inWords(row: SanityRow): string {
  const { network, method, pictures, refused, found } = row;
  if (refused !== undefined || !found) return `${network} ${method}: does not fit: ${refused}`;
  const ranks = found.steps.map(({ mean }) => digits(mean.spearman)).join(' ');
  return `${network} ${method}: ${pictures} pictures, rank correlation ${ranks}: ${verdictOf(row).replaceAll('*', '')}`;
}

/**
 * The rows of one network as a table; methods that do not fit it are named below.
 *
 * @param order names of methods from top to bottom; rows of others are left out
 */
export function markdown(rows: readonly SanityRow[], order: readonly string[]): string {
  const lines = [
    '| method | rank, by chance | classifier random | half | all | keeps of rank, % | of signed rank | of SSIM | of HOG | |',
    '| --- | --: | --: | --: | --: | --: | --: | --: | --: | --- |',
  ];
  for (const method of order) {
    const row = rows.find((one) => one.method === method);
    if (!row?.found) continue;
    const { steps, chance, verdict } = row.found;
    const at = (share: number) =>
      digits(steps[Math.ceil(share * steps.length) - 1]?.mean.spearman ?? steps[0]?.mean.spearman);
    const cells = [
      ...[digits(chance.spearman), at(0), at(0.5), at(1)],
      ...measures.map((measure) => percent(verdict?.kept[measure])),
      verdictOf(row),
    ];
    lines.push(`| \`${method}\` | ${cells.join(' | ')} |`);
  }
  const blank = rows.flatMap(({ method, found, pictures }) => {
    const count = found?.steps.reduce((sum, step) => sum + step.blank, 0) ?? 0;
    return count > 0 ? [`\`${method}\` ${count} of ${pictures * found!.steps.length}`] : [];
  });
  const [first] = rows.flatMap(({ found }) => found ?? []);
  const layers = first?.steps.map(({ layer }) => `\`${layer}\``).join(', ');
  const pictures = [...new Set(rows.map((row) => row.pictures))].join(' or ');
  lines.push('', `${pictures} pictures; from the output down to ${layers}.`);
  const refused = rows.flatMap((row) => (row.found ? [] : [`\`${row.method}\``]));
  if (refused.length > 0) lines[lines.length - 1] += ` Do not fit: ${refused.join(', ')}.`;
  if (blank.length > 0)
    lines[lines.length - 1] += ` Blank with random layers: ${blank.join(', ')}.`;
  return lines.join('\n');
}
