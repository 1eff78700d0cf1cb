/** Small pieces of the page: finding, filling, drawing. */
import type { Prediction } from '../src/index.js';

/** The page's element of that id. @throws Error if it is not there or of another kind. */
export function element<T extends HTMLElement>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return found;
}

/** Replaces a select's options. */
export function fill(select: HTMLSelectElement, names: readonly string[], chosen: string): void {
  select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

/** Replaces a select's options by those of several groups: names, with titles to read. */
export function fillGroups(
  select: HTMLSelectElement,
  groups: Readonly<Record<string, readonly { readonly name: string; readonly title: string }[]>>,
  chosen: string,
): void {
  const made = Object.entries(groups).map(([label, items]) => {
    const group = document.createElement('optgroup');
    group.label = label;
    for (const { name, title } of items) {
      group.append(new Option(title, name, false, name === chosen));
    }
    return group;
  });
  select.replaceChildren(...made);
}

/** Lists the best guesses, each a button. */
export function showTop5(top5: readonly Prediction[], onChoose: (classId: number) => void): void {
  const rows = top5.map(({ classId, label, probability }) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = `${label} (${classId}): ${(100 * probability).toFixed(1)} %`;
    button.addEventListener('click', () => onChoose(classId));
    const row = document.createElement('li');
    row.append(button);
    return row;
  });
  element('top5', HTMLOListElement).replaceChildren(...rows);
}

function sized(id: string, width: number, height: number): CanvasRenderingContext2D {
  const canvas = element(id, HTMLCanvasElement);
  canvas.width = width;
  canvas.height = height;
  return canvas.getContext('2d')!;
}

/** Draws a picture on a canvas of its size. */
export function drawImage(id: string, image: ImageBitmap): void {
  sized(id, image.width, image.height).drawImage(image, 0, 0);
}

/** Draws RGBA bytes on a canvas of their size. */
export function drawBytes(
  id: string,
  rgba: Uint8Array | Uint8ClampedArray,
  { width, height }: { width: number; height: number },
): void {
  const data = new ImageData(width, height);
  data.data.set(rgba);
  sized(id, width, height).putImageData(data, 0, 0);
}
