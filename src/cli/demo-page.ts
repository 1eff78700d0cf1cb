import { colormapTable } from '../image/colormap.js';
import {
  type DemoCell,
  type DemoPicture,
  type DemoResult,
  type DemoRow,
  percent,
  signed,
  signedNote,
} from './demo-result.js';

const style = `
:root { color-scheme: light dark; --pale: light-dark(#5b616b, #a3a9b3); --rule: light-dark(#d9dce1, #3b4048); --back: light-dark(#fff, #17191c); }
body { margin: 2rem auto; padding: 0 1rem; max-width: 82rem; background: var(--back); color: light-dark(#1c1e22, #e8eaed); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
p { max-width: 62rem; margin: .5rem 0; }
code { font-family: ui-monospace, monospace; font-size: .92em; }
.pale, small { color: var(--pale); }
small { display: block; font-weight: normal; font-size: .8rem; line-height: 1.35; }
img { display: block; border-radius: 4px; }
.pictures { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; }
.pictures figure { display: flex; gap: 1rem; margin: 0; align-items: flex-start; }
table { border-collapse: collapse; }
caption { text-align: left; font-weight: 600; padding-bottom: .25rem; }
.top5 { font-size: .9rem; }
.top5 td, .top5 th { padding: .05rem .75rem .05rem 0; text-align: left; font-weight: normal; }
.top5 thead th { color: var(--pale); font-size: .8rem; }
.top5 td { text-align: right; font-variant-numeric: tabular-nums; }
.top5 .named { font-weight: 600; }
.scroll { overflow-x: auto; }
.maps th, .maps td { padding: .3rem; vertical-align: top; text-align: center; }
.maps thead tr:last-child th, .maps tbody tr { border-bottom: 1px solid var(--rule); }
.maps .first { padding-left: 1.4rem; }
.maps thead th:first-child { text-align: left; }
.maps tbody th { position: sticky; left: 0; min-width: 9rem; max-width: 12rem; text-align: left; background: var(--back); padding: .4rem 1rem .4rem 0; }
.maps td img { margin: 0 auto; }
.maps td small { max-width: 10rem; margin: .25rem auto 0; }
.slow { display: flex; flex-wrap: wrap; gap: 1.5rem 2rem; }
.slow figure { margin: 0; display: flex; flex-direction: column; justify-content: space-between; max-width: 21rem; }
.slow figcaption { font-weight: 600; padding-bottom: .3rem; }
.slow .pair { display: flex; gap: .4rem; }
.slow .pair small { text-align: center; }
.scale { display: flex; align-items: center; gap: .6rem; font-size: .9rem; }
.scale span:nth-child(2) { width: 14rem; height: .9rem; border-radius: 3px; }
`.trim();

/** The page that shows all of the demo's results: one file that needs no other, neither network nor script. */
export function demoPage(result: DemoResult): string {
  const { pictures, classes, rows } = result;
  const names = classes.map(({ label }) => `“${label}”`).join(' and ');
  const applied = new Set(rows.filter((row) => !row.refusal).map((row) => row.method)).size;
  const alike = rows.some((row) => row.sameAs !== undefined)
    ? `\nWhere two methods show the same, their formulas agree on this network, which ends in a global mean and one linear layer.`
    : '';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>webgpu-cam demo</title>
<style>
${style}
</style>
</head>
<body>
<h1>What speaks for the cat, what for the dog?</h1>
<p>${text(result.network)}, a small network that comes with webgpu-cam, looked at three pictures of toy animals that it was not trained on.
${applied} saliency methods then asked which pixels speak for ${text(names)}.</p>
<p class="pale">${text(factsOf(result))}</p>

<h2>The pictures, and what the network says</h2>
<div class="pictures">
${pictures.map((picture) => figure(picture, classes)).join('\n')}
</div>

<h2>The maps</h2>
<p>Each map is laid over its picture. It is stretched to its own range: compare places, not maps. A negative logit means that the network sees no such animal;
its map then shows the little that speaks for one. A picture in grey and crossed out has no map, and the reason below it.${alike}</p>
<div class="scale"><span>least</span><span style="background: ${gradient()}"></span><span>most</span></div>
<div class="scroll">
<table class="maps">
<thead>
<tr><td></td>${pictures.map(({ title }) => `<th scope="colgroup" colspan="${classes.length}" class="first">${text(title)}</th>`).join('')}</tr>
<tr><th scope="col">Method</th>${pictures.map((picture) => classHeads(picture, classes)).join('')}</tr>
</thead>
<tbody>
${rows
  .filter((row) => row.picture === undefined)
  .map((row) => mapRow(row, result))
  .join('\n')}
</tbody>
</table>
</div>
${slowSection(result)}

<h2>Go on</h2>
<p>The same for a photo of yours: <code>npx webgpu-cam explain photo.jpg --method grad-cam,layer-cam</code>. The overlays and the pictures stand beside this
page as PNG files, in ${listed(pictures.map(({ name }) => `<code>${text(name)}/</code>`))}. <code>npx webgpu-cam methods</code> lists the methods with their options.</p>
</body>
</html>
`;
}

function factsOf({ version, adapter, isSoftware, totalMs }: DemoResult): string {
  const kind = isSoftware ? ', a software adapter, much slower than a GPU' : '';
  return `webgpu-cam ${version}; ${(totalMs / 1000).toFixed(1)} s in all on ${adapter}${kind}. Times below are of one batch of the three pictures; the first ones include compiling the shaders.`;
}

function figure(picture: DemoPicture, classes: DemoResult['classes']): string {
  const explained = new Set(classes.map(({ classId }) => classId));
  const lines = picture.top5.map(
    ({ classId, label, logit, probability }) =>
      `<tr><th scope="row"${explained.has(classId) ? ' class="named"' : ''}>${text(label)}</th><td>${percent(probability)}</td><td>${signed(logit)}</td></tr>`,
  );
  return `<figure>
${image(picture.png, picture.image, `The picture: ${picture.title}`)}
<table class="top5"><caption>${text(picture.title)}</caption>
<thead><tr><th scope="col">class</th><th scope="col">probability</th><th scope="col">logit</th></tr></thead>
<tbody>${lines.join('')}</tbody></table>
</figure>`;
}

/** Methods that are shown on one picture only. */
function slowSection(result: DemoResult): string {
  const rows = result.rows.filter((row) => row.picture !== undefined);
  if (rows.length === 0) return '';
  const { title } = result.pictures[rows[0].picture!];
  return `
<h2>More methods, on one picture</h2>
<p>Of &ldquo;${text(title)}&rdquo;, some for one class. Many of these look at hundreds of changed copies of the picture, and take long on a machine without a GPU: where options are named,
they are smaller counts than a method's own. Names in brackets are those of another network that comes along, a small vision transformer: some methods look at attention, which
${text(result.network)} has not. <code>npx webgpu-cam explain</code> takes each method's own counts.</p>
<div class="slow">
${rows.map((row) => slowFigure(row, result)).join('\n')}
</div>`;
}

function slowFigure(row: DemoRow, { pictures, classes }: DemoResult): string {
  const p = row.picture!;
  const maps = (row.cells[p] ?? []).map((cell, c) => {
    if (!cell) return '';
    const name = row.usesTarget ? ` of “${classes[c].label}”` : '';
    const alt = `${row.title}${name} over the picture: ${pictures[p].title}`;
    return `<div>${mapOf(cell, alt)}<small>${row.usesTarget ? `“${text(classes[c].label)}”` : ''}</small></div>`;
  });
  const body = row.refusal ? `Does not apply: ${text(row.refusal)}` : maps.join('');
  return `<figure><figcaption>${headOf(row)}</figcaption><div class="pair">${body}</div></figure>`;
}

const classHeads = ({ logits }: DemoPicture, classes: DemoResult['classes']) =>
  classes
    .map(
      ({ label }, c) =>
        `<th scope="col"${c === 0 ? ' class="first"' : ''}>“${text(label)}”<small>logit ${signed(logits[c])}</small></th>`,
    )
    .join('');

/** A method's name, paper, options and time. */
function headOf(row: DemoRow): string {
  const notes = [
    row.paper,
    row.given.join(', '),
    row.layers.length > 0 ? `at ${row.layers.join(', ')}` : '',
    row.usesTarget ? '' : 'knows no class',
    row.signed ? signedNote : '',
    row.sameAs === undefined ? '' : `here the same as ${row.sameAs}`,
    row.refusal ? '' : `${row.timeMs.toFixed(0)} ms${row.usesTarget ? ' a class' : ''}`,
  ].filter(Boolean);
  return `${text(row.title)}${notes.map((note) => `<small>${text(note)}</small>`).join('')}`;
}

function mapRow(row: DemoRow, { pictures, classes }: DemoResult): string {
  const head = `<th scope="row">${headOf(row)}</th>`;
  if (row.refusal) {
    const columns = pictures.length * classes.length;
    return `<tr>${head}<td colspan="${columns}">Does not apply: ${text(row.refusal)}</td></tr>`;
  }
  const cells = row.cells.map((ofPicture, p) =>
    ofPicture
      .map((cell, c) => {
        if (!cell) return '<td></td>';
        const target = row.usesTarget ? ` of “${classes[c].label}”` : '';
        const span = ofPicture.length === 1 ? ` colspan="${classes.length}"` : '';
        return `<td${span}${c === 0 ? ' class="first"' : ''}>${mapOf(cell, `${row.title}${target} over the picture: ${pictures[p].title}`)}</td>`;
      })
      .join(''),
  );
  return `<tr>${head}${cells.join('')}</tr>`;
}

function mapOf({ png, overlay, warnings }: DemoCell, alt: string): string {
  if (warnings.length === 0) return image(png, overlay, alt);
  const why = warnings.join('; ');
  return `${image(png, overlay, `No map: ${alt}: ${why}`)}<small>${text(why)}</small>`;
}

const image = (
  png: Uint8Array,
  { width, height }: { width: number; height: number },
  alt: string,
): string =>
  `<img src="data:image/png;base64,${Buffer.from(png).toString('base64')}" width="${width}" height="${height}" alt="${text(alt)}">`;

/** The colours of the maps, as CSS. */
function gradient(): string {
  const colours = colormapTable('jet');
  const stops = Array.from({ length: 17 }, (_, i) => {
    const at = 4 * Math.min(255, 16 * i);
    return `rgb(${colours[at]} ${colours[at + 1]} ${colours[at + 2]})`;
  });
  return `linear-gradient(to right, ${stops.join(', ')})`;
}

const listed = (items: readonly string[]) =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** Plain text as HTML. */
const text = (plain: string): string =>
  plain.replace(/[&<>"]/g, (character) => entities[character]);
