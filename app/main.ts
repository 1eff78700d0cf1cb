/** The page: reads the form, asks the library, draws the answer. All work is done in this tab; nothing is sent anywhere. */

import { Pace, unitOf } from '../src/cli/pace.js';
import {
  type ColormapName,
  classTarget,
  colormapNames,
  crossOut,
  embeddedNetworks,
  explain,
  fittingNetworks,
  Gpu,
  type Method,
  methodNamed,
  methods,
  Net,
  networks,
  Photo,
  type Prediction,
  parseWeights,
  predict,
  type SaliencyMap,
  slidingWindow,
  smooth,
  type Weights,
} from '../src/index.js';
import { severalPets } from '../src/toy/toypets.js';
import { chosenOptions, showOptions } from './options.js';
import { drawBytes, drawImage, element, fill, fillGroups, showTop5 } from './view.js';

const form = element('form', HTMLFormElement);
const photoFile = element('photo', HTMLInputElement);
const weightsFile = element('weights', HTMLInputElement);
const labelsFile = element('labels', HTMLInputElement);
const network = element('network', HTMLSelectElement);
const method = element('method', HTMLSelectElement);
const enhance = element('enhance', HTMLInputElement);
const smoothing = element('smooth', HTMLInputElement);
const cancel = element('cancel', HTMLButtonElement);
const bar = element('progress', HTMLProgressElement);
const layer = element('layer', HTMLSelectElement);
const classId = element('class', HTMLInputElement);
const colormap = element('colormap', HTMLSelectElement);
const alpha = element('alpha', HTMLInputElement);
const tune = element('tune', HTMLInputElement);
const status = element('status', HTMLElement);

let gpu: Gpu;
/** The same device, for networks that are tuned. */
let tuned: Gpu | undefined;
let net: Net | undefined;
/** Binds the network that is bound once more, to the device as the form wants it then. */
let rebind: (() => Net) | undefined;
let photo: Photo | undefined;
/** What was read last, for a network that nothing else is known for. */
let lastWeights: Weights | undefined;
let labels: string[] | undefined;
let top5: readonly Prediction[] = [];
const embeddedWeights = new Map<string, Weights>();
/** Files of weights, by the network that they are for. */
const givenWeights = new Map<string, Weights>();

function say(text: string, isError = false): void {
  status.textContent = text;
  status.classList.toggle('error', isError);
}

/** Jobs run one after the other: a click during one waits its turn. */
let last: Promise<void> = Promise.resolve();
function job(title: string, work: () => Promise<void>): Promise<void> {
  last = last.then(async () => {
    say(`${title} …`);
    document.body.setAttribute('aria-busy', 'true');
    try {
      await work();
    } catch (error) {
      say((error as Error).message, true);
    } finally {
      document.body.removeAttribute('aria-busy');
    }
  });
  return last;
}

/** The device as the form wants it: as it comes, or with ways to compute timed on it at first use. */
function device(): Gpu {
  if (!tune.checked) return gpu;
  if (!tuned) {
    tuned = Gpu.adopt(gpu.device, gpu.info, { tune: 'first-use' });
    tuned.tuner!.onTiming = showTiming;
  }
  return tuned;
}

const timed = (): number => tuned?.tuner?.measured.length ?? 0;

/** Says what is being timed, over a bar without a length: how much there will be shows only as it goes. */
function showTiming(kernel: string): void {
  bar.hidden = false;
  bar.removeAttribute('value');
  say(`Timing ${kernel} on this device: ${timed()} done`);
}

/** Binds the chosen network by the weights that were given for it; the embedded ones bring their own, others need a file. */
function bindNet(): void {
  const name = network.value;
  const chosen = givenWeights.get(name) ?? embeddedWeights.get(name) ?? lastWeights;
  if (!chosen) throw new Error(`${name} needs weights: choose or drop its file`);
  const bind = () => {
    const bare = Net.load(device(), name, chosen);
    // Class names are of a network with as many classes, whichever was bound when they were read.
    if (labels?.length !== bare.classes) return bare;
    bare.destroy();
    return Net.load(device(), name, chosen, { labels });
  };
  const bound = bind();
  net?.destroy();
  net = bound;
  rebind = bind;
  fill(
    layer,
    net
      .layers()
      .filter((l) => l.spatial)
      .map((l) => l.name),
    net.defaultLayer,
  );
  classId.max = String(net.classes - 1);
  classId.value = '';
  offerMethods(net);
}

/** Lets only those methods be chosen that suit the network. */
function offerMethods({ graph }: Net): void {
  for (const option of method.options) {
    option.disabled = !(methods.get(option.value)?.suits?.(graph) ?? true);
  }
  if (!method.selectedOptions[0]?.disabled) return;
  method.value = 'grad-cam';
  showOptions(chosenMethod());
}

async function guess(): Promise<void> {
  if (!net || !photo) return;
  try {
    [top5] = await predict(net, photo);
  } finally {
    bar.hidden = true;
  }
  showTop5(top5, (chosen) => {
    classId.value = String(chosen);
    void job('Explaining', explainNow);
  });
}

/** The method that the form asks for, with its wrappers; not by their names: `smooth-grad-cam++` is a method by itself. */
function chosenMethod(): Method {
  const own = methodNamed(method.value);
  const calm = smoothing.checked ? smooth(own) : own;
  return enhance.checked ? slidingWindow(calm) : calm;
}

/** Ends the explanation that is running. */
let running: AbortController | undefined;

async function explainNow(): Promise<void> {
  if (!photo) throw new Error('There is no photo yet: choose or drop one, or draw a sample');
  if (!net) bindNet();
  if (!net) return;
  const chosen = classId.value === '' ? undefined : Number(classId.value);
  const start = { ms: performance.now(), timed: timed() };
  const asked = chosenMethod();
  const pace = new Pace(unitOf(asked));
  running = new AbortController();
  cancel.disabled = false;
  try {
    using saliency = await explain(net, photo, {
      method: asked,
      options: chosenOptions(),
      layer: asked.layers === 'none' ? undefined : layer.value,
      target: classTarget(chosen ?? { top: 0 }),
      signal: running.signal,
      onProgress: (done, total) => {
        bar.hidden = false;
        bar.value = done / total;
        say(`${asked.title}: ${pace.tell(done, total)}`);
      },
    });
    await show(saliency, net, chosen ?? top5[0].classId, start);
  } catch (error) {
    if (!running.signal.aborted) throw error;
    say('Cancelled');
  } finally {
    running = undefined;
    cancel.disabled = true;
    bar.hidden = true;
  }
}

/** The choice of colours that leaves them to the method: diverging ones for maps with a sign. */
const byMethod = "the method's";

/** `convergenceDelta` in words. */
const spelt = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Draws a map, and says what was explained. */
async function show(
  saliency: SaliencyMap,
  bound: Net,
  explained: number,
  start: { readonly ms: number; readonly timed: number },
): Promise<void> {
  if (!photo) return;
  const [{ score, numbers, warnings }] = await saliency.summaries();
  const colours = {
    colormap: colormap.value === byMethod ? undefined : (colormap.value as ColormapName),
    alpha: Number(alpha.value),
  };
  const [, height, width] = saliency.map.shape;
  let overlay = await saliency.overlay(photo, colours);
  let heatmap = await saliency.heatmap(colours);
  if (warnings.length > 0) {
    // A map that shows nothing is crossed out, as the command does, not drawn as if it were fine.
    overlay = crossOut(overlay, photo.width, photo.height);
    heatmap = crossOut(heatmap.fill(128), width, height);
  }
  drawBytes('overlay', overlay, photo);
  drawBytes('map', heatmap, { width, height });
  const label = bound.label(explained);
  element('overlay-text', HTMLElement).textContent = `${saliency.info.method.name} of ${label}`;
  if (warnings.length > 0) say(warnings.join('; '), true);
  else {
    const told = [
      `score ${score.toFixed(3)}`,
      ...Object.entries(numbers).map(([name, value]) => `${spelt(name)} ${value.toPrecision(3)}`),
      ...(saliency.signed
        ? ['above the middle of the colours speaks for it, below against it']
        : []),
      `${Math.round(performance.now() - start.ms)} ms`,
      ...(timed() > start.timed ? [`of which some to time ${timed() - start.timed} choices`] : []),
    ];
    say(`${label}: ${told.join(', ')}`);
  }
}

async function guessAndExplain(): Promise<void> {
  await guess();
  await explainNow();
}

function setPhoto(next: Photo): void {
  photo?.destroy();
  photo = next;
  classId.value = '';
}

async function usePhoto(file: File): Promise<void> {
  const bitmap = await createImageBitmap(file, {
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  }).catch(() => {
    throw new Error(`${file.name} is no picture that this browser can read`);
  });
  drawImage('original', bitmap);
  setPhoto(Photo.fromExternal(gpu, bitmap));
  bitmap.close();
  await guessAndExplain();
}

let sample = 0;
async function useSample(): Promise<void> {
  const { rgb, size } = severalPets(sample++, { classIds: [0, 1], size: 224 });
  const rgba = new Uint8ClampedArray(4 * size * size).fill(255);
  for (let i = 0; i < size * size; i++) rgba.set(rgb.subarray(3 * i, 3 * i + 3), 4 * i);
  drawBytes('original', rgba, { width: size, height: size });
  setPhoto(Photo.fromRgba(gpu, { width: size, height: size, rgba }));
  await guessAndExplain();
}

async function useWeights(file: File): Promise<void> {
  const parsed = parseWeights(new Uint8Array(await file.arrayBuffer()), { name: file.name });
  const name = networkOf(parsed) ?? network.value;
  // Says what does not fit before anything is remembered.
  Net.load(gpu, name, parsed).destroy();
  givenWeights.set(name, parsed);
  lastWeights = parsed;
  network.value = name;
  bindNet();
  await guessAndExplain();
}

/** Of the networks that a file's tensors fit, the one that it says it is for. */
function networkOf(parsed: Weights): string | undefined {
  const { network: said } = parsed.metadata;
  return said && networks.has(said) ? said : fittingNetworks(parsed)[0]?.architecture.name;
}

async function useLabels(file: File): Promise<void> {
  const list: unknown = JSON.parse(await file.text());
  if (!Array.isArray(list) || !list.every((label) => typeof label === 'string')) {
    throw new Error(`${file.name} should be a JSON list of class names`);
  }
  labels = list;
  if (net && list.length !== net.classes) {
    throw new Error(
      `${file.name} names ${list.length} classes, ${net.name} has ${net.classes}: the names wait for a network of as many`,
    );
  }
  bindNet();
  await guessAndExplain();
}

/** Sends a dropped or chosen file where its name says. */
function take(file: File | undefined): void {
  if (!file) return;
  if (/\.json$/i.test(file.name)) void job('Reading class names', () => useLabels(file));
  else if (/\.(safetensors|pth|pt|bin)$/i.test(file.name)) {
    void job('Reading weights', () => useWeights(file));
  } else void job('Reading the photo', () => usePhoto(file));
}

for (const input of [photoFile, weightsFile, labelsFile]) {
  input.addEventListener('change', () => take(input.files?.[0]));
}
element('sample', HTMLButtonElement).addEventListener('click', () => job('Drawing', useSample));
network.addEventListener('change', () =>
  job('Binding the network', async () => {
    bindNet();
    await guessAndExplain();
  }),
);
for (const input of [method, enhance, smoothing]) {
  input.addEventListener('change', () => showOptions(chosenMethod()));
}
const answers = [method, enhance, smoothing, layer, colormap, alpha, classId];
for (const input of [...answers, element('options', HTMLElement)]) {
  input.addEventListener('change', () => {
    running?.abort();
    void job('Explaining', explainNow);
  });
}
tune.addEventListener('change', () => {
  running?.abort();
  void job('Binding the network', async () => {
    if (!net || !rebind) return;
    const bound = rebind();
    net.destroy();
    net = bound;
    if (photo) await guessAndExplain();
    else say('Ready: choose a photo, or draw a sample');
  });
});
cancel.addEventListener('click', () => running?.abort());
form.addEventListener('submit', (event) => {
  event.preventDefault();
  void job('Explaining', guessAndExplain);
});
for (const type of ['dragenter', 'dragover', 'dragleave', 'drop'] as const) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    document.body.classList.toggle('dropping', type === 'dragenter' || type === 'dragover');
    if (type === 'drop') for (const file of event.dataTransfer?.files ?? []) take(file);
  });
}

void job('Starting', async () => {
  fill(network, [...networks.keys()], embeddedNetworks[1]);
  const isPerturbation = ({ passes }: Method) => passes === 'many';
  fillGroups(
    method,
    {
      'By activations and gradients': [...methods.values()].filter((m) => !isPerturbation(m)),
      'By perturbation (slower)': [...methods.values()].filter(isPerturbation),
    },
    'grad-cam',
  );
  showOptions(chosenMethod());
  fill(colormap, [byMethod, ...colormapNames], byMethod);
  gpu = await Gpu.request();
  element('adapter', HTMLElement).textContent = gpu.isSoftware
    ? `Adapter: ${gpu.adapterName} (software: slow)`
    : `Adapter: ${gpu.adapterName}`;
  for (const name of embeddedNetworks) {
    const response = await fetch(`/models/${name}.safetensors`);
    if (!response.ok) throw new Error(`The embedded ${name} is missing from the server`);
    embeddedWeights.set(name, parseWeights(new Uint8Array(await response.arrayBuffer()), { name }));
  }
  bindNet();
  say('Ready: choose a photo, or draw a sample');
});
