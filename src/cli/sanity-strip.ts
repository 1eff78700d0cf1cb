import { type ColormapName, colormapTable } from '../image/colormap.js';
import { crossOut } from '../image/mark.js';
import type { RgbaImage } from '../image/photo.js';
import { drawText, lineHeight, wrapText } from './pixel-font.js';

/** A map [H,W] of values in 0..1, and what stands below it. */
export interface StripCell {
  readonly map: Float32Array;
  readonly note: string;
}

/** A method's maps: the trained network's, then one a column. */
export interface StripRow {
  readonly title: string;
  readonly note: string;
  readonly colormap: ColormapName;
  readonly cells: readonly StripCell[];
}

/** What a strip shows of one photo. */
export interface Strip {
  readonly title: string;
  /** As the network sees it. */
  readonly photo: RgbaImage;
  /** Height and width of the maps. */
  readonly size: readonly [height: number, width: number];
  /** What is random in each column; the first is of the trained network. */
  readonly columns: readonly string[];
  readonly rows: readonly StripRow[];
}

type Colour = readonly [red: number, green: number, blue: number];

const ink: Colour = [28, 30, 34];
const pale: Colour = [96, 100, 108];

/** Sizes in pixels. */
const cellWidth = 112;
const margin = 16;
const gap = 6;

/**
 * The photo and its maps as the network loses its layers: a row a method, a column a network. A map that shows nothing is crossed out.
 *
 * @returns RGBA pixels
 */
export function drawStrip({ title, photo, size, columns, rows }: Strip): {
  width: number;
  height: number;
  rgba: Uint8Array;
} {
  const cellHeight = Math.max(1, Math.round((cellWidth * size[0]) / size[1]));
  const left = (column: number) => margin + (column + 1) * (cellWidth + gap);
  const width = left(columns.length) - gap + margin;
  const titles = wrapText(title, width - 2 * margin, 2);
  const heads = columns.map((name) => wrapText(name, cellWidth, 1));
  const photoTop = margin + titles.length * lineHeight * 2 + 6;
  const headHeight = Math.max(...heads.map(({ length }) => length)) * lineHeight;
  const rowTop = photoTop + Math.max(cellHeight, headHeight) + 2 * gap;
  const rowHeight = cellHeight + lineHeight + 2 * gap;
  const height = rowTop + Math.max(1, rows.length) * rowHeight + margin;
  const rgba = new Uint8Array(4 * width * height).fill(255);
  const plot = (x: number, y: number, colour: Colour) => {
    if (x < width && y < height) rgba.set(colour, 4 * (y * width + x));
  };
  const text = (lines: readonly string[], x: number, y: number, colour: Colour, scale = 1) => {
    lines.forEach((line, i) => {
      drawText(line, x, y + i * lineHeight * scale, scale, (px, py) => plot(px, py, colour));
    });
  };
  const picture = (image: RgbaImage, x: number, y: number) => {
    const fitted = resized(image, cellWidth, cellHeight);
    for (let j = 0; j < cellHeight; j++) {
      const from = 4 * j * cellWidth;
      rgba.set(fitted.subarray(from, from + 4 * cellWidth), 4 * ((y + j) * width + x));
    }
  };

  text(titles, margin, margin, ink, 2);
  picture(photo, margin, photoTop);
  heads.forEach((lines, c) => {
    text(lines, left(c), rowTop - 4 - lines.length * lineHeight, ink);
  });
  rows.forEach((row, r) => {
    const top = rowTop + r * rowHeight;
    const names = wrapText(row.title, cellWidth, 1);
    text(names, margin, top + 4, ink);
    text(wrapText(row.note, cellWidth, 1), margin, top + 10 + names.length * lineHeight, pale);
    row.cells.forEach(({ map, note }, c) => {
      picture(coloured(map, size, row.colormap), left(c), top);
      text([note], left(c), top + cellHeight + 3, pale);
    });
  });
  return { width, height, rgba };
}

/** A map in colours, or a grey field crossed out if it is the same everywhere. */
function coloured(
  map: Float32Array,
  [height, width]: readonly [number, number],
  colormap: ColormapName,
): RgbaImage {
  const rgba = new Uint8Array(4 * width * height).fill(128);
  if (map.every((value) => value === map[0])) {
    return { width, height, rgba: crossOut(rgba, width, height) };
  }
  const colours = colormapTable(colormap);
  map.forEach((value, i) => {
    const entry = 4 * Math.round(255 * value);
    rgba.set(colours.subarray(entry, entry + 4), 4 * i);
  });
  return { width, height, rgba };
}

/** A picture at another size: each pixel the mean of those it covers, at least one. */
function resized(
  { width, height, rgba }: RgbaImage,
  toWidth: number,
  toHeight: number,
): Uint8Array {
  const result = new Uint8Array(4 * toWidth * toHeight);
  const span = (i: number, from: number, to: number) => {
    const start = Math.floor((i * from) / to);
    return [start, Math.max(start + 1, Math.floor(((i + 1) * from) / to))];
  };
  for (let y = 0; y < toHeight; y++) {
    const [y0, y1] = span(y, height, toHeight);
    for (let x = 0; x < toWidth; x++) {
      const [x0, x1] = span(x, width, toWidth);
      const count = (y1 - y0) * (x1 - x0);
      for (let c = 0; c < 4; c++) {
        let sum = 0;
        for (let j = y0; j < y1; j++) {
          for (let i = x0; i < x1; i++) sum += rgba[4 * (j * width + i) + c];
        }
        result[4 * (y * toWidth + x) + c] = Math.round(sum / count);
      }
    }
  }
  return result;
}
