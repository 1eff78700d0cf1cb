import { colormapTable } from '../image/colormap.js';
import type { RgbaImage } from '../image/photo.js';
import {
  type DemoCell,
  type DemoPicture,
  type DemoResult,
  type DemoRow,
  percent,
  signed,
  signedNote,
} from './demo-result.js';
import { drawText, lineHeight, textHeight, textWidth, wrapText } from './pixel-font.js';

type Colour = readonly [red: number, green: number, blue: number];

const white: Colour = [255, 255, 255];
const ink: Colour = [28, 30, 34];
const pale: Colour = [96, 100, 108];
const rule: Colour = [214, 216, 220];

/** Sizes in pixels. */
const margin = 20;
const labelWidth = 178;
const gap = 4;
const groupGap = 20;
const scale = 2;

/** An opaque RGB picture that is drawn from the top down. */
class Sheet {
  readonly rgb: Uint8Array;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.rgb = new Uint8Array(3 * width * height).fill(255);
  }

  plot(x: number, y: number, colour: Colour): void {
    if (x >= 0 && x < this.width && y >= 0 && y < this.height) {
      this.rgb.set(colour, 3 * (y * this.width + x));
    }
  }

  fill(x: number, y: number, width: number, height: number, colour: Colour): void {
    for (let j = y; j < y + height; j++)
      for (let i = x; i < x + width; i++) this.plot(i, j, colour);
  }

  /** @returns the y below the last line */
  text(lines: readonly string[], x: number, y: number, colour: Colour = ink, size = scale): number {
    lines.forEach((line, i) => {
      drawText(line, x, y + i * lineHeight * size, size, (px, py) => this.plot(px, py, colour));
    });
    return y + lines.length * lineHeight * size;
  }

  /** @returns the y below the last line */
  centred(lines: readonly string[], middle: number, y: number, colour: Colour = ink): number {
    for (const line of lines) {
      y = this.text([line], middle - Math.floor(textWidth(line, scale) / 2), y, colour);
    }
    return y;
  }

  picture({ width, height, rgba }: RgbaImage, x: number, y: number): void {
    for (let j = 0; j < height; j++) {
      for (let i = 0; i < width; i++) {
        const at = 4 * (j * width + i);
        this.plot(x + i, y + j, [rgba[at], rgba[at + 1], rgba[at + 2]]);
      }
    }
  }
}

/**
 * All maps on one sheet: a row a method, a column a picture and class, under the pictures with what the network says of them. Methods that are
 * shown on one picture only stand below, a column a map.
 *
 * @returns RGB bytes [height, width, 3]; all pictures are to be of one size
 */
export function contactSheet(result: DemoResult): {
  width: number;
  height: number;
  rgb: Uint8Array;
} {
  const { pictures, classes, rows } = result;
  const cell = pictures[0].image.width;
  const groupWidth = classes.length * (cell + gap) - gap;
  const left = (picture: number) => margin + labelWidth + picture * (groupWidth + groupGap);
  const middle = (picture: number, c: number) =>
    left(picture) + c * (cell + gap) + Math.floor(cell / 2);
  const width = left(pictures.length) - groupGap + margin;

  const intro = wrapText(
    `Red is where ${result.network} finds most for the class above, blue where least; each map is stretched to its own range.`,
    width - 2 * margin - legendWidth - groupGap,
    scale,
  );
  const head = margin + 3 * lineHeight + (intro.length + 0.8) * lineHeight * scale;
  const pictureTop = Math.round(head);
  const classTop = pictureTop + cell + 12;
  const mapTop = classTop + 2 * lineHeight * scale + 6;
  const rowHeight = cell + gap + 4;
  const table = rows.filter(({ picture }) => picture === undefined);
  const tiles = rows.filter(({ picture }) => picture !== undefined);
  const tileTop = mapTop + table.length * rowHeight + 24;
  const tileHead = 2 * lineHeight * scale + 3 * lineHeight;
  const tileHeight = tileHead + cell + 18;
  const places = placesOf(tiles, pictures.length * classes.length);
  const tileRows = Math.max(0, ...places.map((place) => place.row + 1));
  const footTop = tileTop + tileRows * tileHeight + 10;
  const sheet = new Sheet(width, footTop + textHeight(1, scale) + margin);

  sheet.text(['What speaks for the cat, what for the dog?'], margin, margin, ink, 3);
  sheet.text(intro, margin, margin + 3 * lineHeight + 8, pale);
  drawLegend(sheet, width - margin - legendWidth, margin);

  pictures.forEach((picture, p) => {
    sheet.picture(picture.image, left(p), pictureTop);
    drawPrediction(sheet, picture, left(p) + cell + gap + 8, pictureTop, cell);
    sheet.fill(left(p), classTop - 7, groupWidth, 1, rule);
    classes.forEach(({ label }, c) => {
      const y = sheet.centred([`"${label}"`], middle(p, c), classTop);
      sheet.centred([`logit ${signed(picture.logits[c])}`], middle(p, c), y, pale);
    });
  });

  table.forEach((row, r) => {
    const y = mapTop + r * rowHeight;
    const names = wrapText(row.title, labelWidth - 12, scale);
    const notes = wrapText(noteOf(row, classes), labelWidth - 12, 1);
    const high = textHeight(names.length, scale) + 10 + textHeight(notes.length, 1);
    const below = sheet.text(names, margin, y + Math.floor((cell - high) / 2));
    sheet.text(notes, margin, below, pale, 1);
    if (row.refusal) {
      const why = wrapText(
        `Does not apply: ${row.refusal}`,
        width - 2 * margin - labelWidth,
        scale,
      );
      sheet.text(why, left(0), y + Math.floor((cell - textHeight(why.length, scale)) / 2), pale);
    }
    row.cells.forEach((cells, p) => {
      const start = left(p) + Math.floor((groupWidth - cells.length * (cell + gap) + gap) / 2);
      cells.forEach((one, c) => {
        if (one) drawCell(sheet, one, start + c * (cell + gap), y);
      });
    });
  });

  if (tiles.length > 0) {
    const only = pictures[tiles[0].picture!].title.toLowerCase();
    sheet.fill(margin, tileTop - 14, width - 2 * margin, 1, rule);
    const why = `More methods, of ${only}; smaller counts than their own are named, and another network in brackets`;
    sheet.text(wrapText(why, labelWidth - 12, scale), margin, tileTop, pale);
  }
  tiles.forEach((row, t) => {
    const cells = shownOf(row);
    const { column, row: line } = places[t];
    const x = (i: number) => {
      const at = column + i;
      return left(Math.floor(at / classes.length)) + (at % classes.length) * (cell + gap);
    };
    const y = tileTop + line * tileHeight;
    const wide = Math.max(1, cells.length) * (cell + gap) - gap;
    const names = wrapText(row.title, wide, scale);
    const notes = row.refusal ? `Does not apply: ${row.refusal}` : noteOf(row, classes);
    const small = wrapText(notes, wide, 1).slice(0, 3);
    const high = textHeight(names.length, scale) + 8 + textHeight(small.length, 1);
    const below = sheet.text(names, x(0), y + tileHead - high - 4);
    sheet.text(small, x(0), below, pale, 1);
    cells.forEach((one, i) => {
      drawCell(sheet, one, x(i), y + tileHead);
    });
  });

  const seconds = (result.totalMs / 1000).toFixed(1);
  sheet.text(
    wrapText(
      `webgpu-cam ${result.version}, ${seconds} s on ${result.adapter}`,
      width - 2 * margin,
      scale,
    ).slice(0, 1),
    margin,
    footTop,
    pale,
  );
  return sheet;
}

/** The maps of a method that is shown on one picture. */
const shownOf = ({ cells, picture = 0 }: DemoRow): DemoCell[] =>
  (cells[picture] ?? []).filter((cell) => cell !== undefined);

/** Where tiles go that take a column a map, one after the other, `columns` in a row. */
function placesOf(
  tiles: readonly DemoRow[],
  columns: number,
): { readonly column: number; readonly row: number }[] {
  let [column, row] = [0, 0];
  return tiles.map((tile) => {
    const wide = Math.max(1, shownOf(tile).length);
    if (column > 0 && column + wide > columns) [column, row] = [0, row + 1];
    const place = { column, row };
    column += wide;
    return place;
  });
}

const legendWidth = 256;

function drawLegend(sheet: Sheet, x: number, y: number): void {
  const colours = colormapTable('jet');
  for (let i = 0; i < legendWidth; i++) {
    const at = 4 * Math.floor((256 * i) / legendWidth);
    sheet.fill(x + i, y, 1, 16, [colours[at], colours[at + 1], colours[at + 2]]);
  }
  sheet.text(['least'], x, y + 24, pale);
  const most = 'most';
  sheet.text([most], x + legendWidth - textWidth(most, scale), y + 24, pale);
}

/** The two likeliest classes, beside the picture. */
function drawPrediction(
  sheet: Sheet,
  { top5 }: DemoPicture,
  x: number,
  top: number,
  height: number,
): void {
  const shown = top5.slice(0, 2);
  let y = top + Math.floor((height - textHeight(2 * shown.length, scale) - 8) / 2);
  shown.forEach(({ label, probability }, rank) => {
    const colour = rank === 0 ? ink : pale;
    y = sheet.text([label, percent(probability)], x, y, colour) + 8;
  });
}

/** Small print under a method's name. */
function noteOf(
  { layers, usesTarget, signed: hasSign, sameAs, given, cells, picture }: DemoRow,
  classes: DemoResult['classes'],
): string {
  const where = layers.length === 0 ? [] : [`at ${layers.join(', ')}`];
  const blind = usesTarget ? [] : ['knows no class'];
  const sign = hasSign ? [signedNote] : [];
  const twin = sameAs === undefined ? [] : [`here the same as ${sameAs}`];
  const shown = classes.filter((_, c) => picture !== undefined && cells[picture]?.[c]);
  const part = usesTarget ? shown.map(({ label }) => `"${label}"`).join(', ') : '';
  return [part, ...given, ...where, ...blind, ...sign, ...twin].filter(Boolean).join('; ');
}

/** A map over its picture; over a map that shows nothing, why. */
function drawCell(sheet: Sheet, { overlay, warnings }: DemoCell, x: number, y: number): void {
  sheet.picture(overlay, x, y);
  if (warnings.length === 0) return;
  const inset = 6;
  const most = Math.floor((overlay.height - 3 * inset) / lineHeight);
  const lines = wrapText(warnings.join('; '), overlay.width - 3 * inset, 1);
  if (lines.length > most) lines.splice(most - 1, lines.length, '...');
  const high = textHeight(lines.length, 1) + 2 * inset;
  const top = y + Math.floor((overlay.height - high) / 2);
  sheet.fill(x + inset, top, overlay.width - 2 * inset, high, white);
  sheet.text(lines, x + inset + 3, top + inset, ink, 1);
}
