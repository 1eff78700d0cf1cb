import type { Localisation } from '../src/eval/index.js';

/** One method on one network. */
export interface LocalisationRow {
  readonly network: string;
  /** With its options, if any were given: `score-cam:weights=softmax`. */
  readonly method: string;
  readonly adapter: string;
  /** Pictures with one animal and with two; of the latter each is explained for both classes. */
  readonly pictures: { readonly one: number; readonly two: number };
  /** Why there is nothing to measure: the method does not fit the network. */
  readonly refused?: string;
  readonly found?: {
    readonly one: Localisation;
    readonly two: Localisation;
    readonly msPerMap?: number;
  };
}

const percent = (share: number | undefined) =>
  share === undefined ? '–' : (100 * share).toFixed(1);
const milliseconds = (ms: number | undefined) =>
  ms === undefined ? '–' : ms < 10 ? ms.toFixed(1) : ms.toFixed(0);

const cellsOf = ({ found }: LocalisationRow): string[] =>
  found
    ? [
        ...[found.one.energy, found.one.points].map(percent),
        ...[found.two.energy, found.two.energyOfBoth, found.two.points].map(percent),
        milliseconds(found.msPerMap),
      ]
    : new Array(6).fill('–');

const superscript = (n: number): string =>
  Array.from(String(n), (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(digit)]).join('');

/** A row as one line for a terminal. */
export function inWords(row: LocalisationRow): string {
  const { network, method, pictures, refused } = row;
  if (refused !== undefined) return `${network} ${method}: does not fit: ${refused}`;
  const [energy, points, energyTwo, ofBoth, pointsTwo, ms] = cellsOf(row);
  return (
    `${network} ${method}: ${pictures.one} of one animal: energy ${energy} %, points ${points} %; ` +
    `${pictures.two} of two: energy ${energyTwo} %, of both ${ofBoth} %, points ${pointsTwo} %; ${ms} ms a map`
  );
}

/**
 * The rows as a table for each network, with what the columns mean.
 *
 * @param order names of methods from top to bottom; rows of others are left out
 * @param even share of the energy that a map has which is the same everywhere
 */
export function markdown(
  rows: readonly LocalisationRow[],
  networks: readonly string[],
  order: readonly string[],
  even: { readonly one: number; readonly two: number },
): string {
  const adapters = [...new Set(rows.filter(({ found }) => found).map(({ adapter }) => adapter))];
  // Where lies the heat does not depend on the adapter, how long it takes does.
  const markOf = (adapter: string) =>
    adapters.length > 1 ? superscript(adapters.indexOf(adapter) + 1) : '';
  const timedOn = adapters.map((adapter) => `${adapter}${markOf(adapter)}`).join(', ');
  const lines = [
    'In %. *Energy*: share of the map’s sum that lies on the animal asked for, mean over maps; an even map has ' +
      `${percent(even.one)} with one animal in the picture and ${percent(even.two)} with two. *Of both*: of the energy on either animal, the share on the ` +
      'right one; an even map has about 50. *Points*: maps whose highest pixel lies on the right animal. A blank map counts as 0 in each, and so does one ' +
      'that a method refuses because the network takes the picture for another class. –: the method is not for this network. ' +
      `*Pictures*: with one animal, and with two, each explained for both. *ms*: a map, in batches, on ${timedOn || 'no adapter'}.`,
  ];
  for (const network of networks) {
    const own = rows.filter((row) => row.network === network);
    if (own.length === 0) continue;
    lines.push(
      '',
      `### On ${network}`,
      '',
      '| method | pictures | one: energy | one: points | two: energy | two: of both | two: points | ms |',
      '| --- | --: | --: | --: | --: | --: | --: | --: |',
    );
    for (const method of order) {
      const row = own.find((one) => one.method === method);
      if (!row) continue;
      const pictures = row.found ? `${row.pictures.one} + ${row.pictures.two}` : '–';
      const mark = row.found ? markOf(row.adapter) : '';
      lines.push(`| \`${method}\` | ${[pictures, ...cellsOf(row)].join(' | ')}${mark} |`);
    }
    const blank = own.flatMap(({ method, found }) => {
      const maps = found ? found.one.maps + found.two.maps : 0;
      const count = found ? found.one.blank + found.two.blank : 0;
      return count > 0 ? [`\`${method}\` ${count} of ${maps}`] : [];
    });
    if (blank.length > 0) lines.push('', `Blank or refused: ${blank.join(', ')}.`);
  }
  return lines.join('\n');
}
