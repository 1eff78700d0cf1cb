import { Command } from 'commander';
import { type Prediction, predict } from '../cam/predict.js';
import { Photo } from '../image/photo.js';
import {
  type ImageFlags,
  imagePathOption,
  imagePaths,
  type NetworkFlags,
  networkOptions,
} from './flags.js';
import { decodeFile, imageFiles } from './images.js';
import { type Io, json, table } from './io.js';
import { chooseNetwork, withNet } from './network.js';
import { Progress } from './progress.js';

/** `webgpu-cam predict`. */
export function predictCommand(io: Io): Command {
  const command = new Command('predict')
    .description('tell what the network sees: the five likeliest classes of each photo')
    .argument('[images...]', 'photos: PNG, JPEG or WebP')
    .addOption(imagePathOption());
  for (const option of networkOptions()) command.addOption(option);
  return command.action(async (positional: string[], flags: NetworkFlags & ImageFlags) => {
    const files = await imageFiles(imagePaths(positional, flags));
    const chosen = await chooseNetwork(flags, io);
    const predictions: { image: string; top5: Prediction[] }[] = [];
    await withNet(chosen, flags, io, async (net, gpu) => {
      const progress = new Progress(io.stderr, 'predicting', files.length, 'photos');
      try {
        for (const [i, file] of files.entries()) {
          io.signal?.throwIfAborted();
          progress.update(i, file.path);
          const photo = Photo.fromRgba(gpu, await decodeFile(file));
          const [top5] = await predict(net, photo);
          photo.destroy();
          predictions.push({ image: file.path, top5 });
          if (!flags.json) progress.around(() => io.stdout.write(described(file.path, top5)));
        }
      } finally {
        progress.stop();
      }
    });
    if (flags.json) io.stdout.write(json(predictions));
  });
}

function described(image: string, top5: readonly Prediction[]): string {
  const rows = top5.map(({ classId, label, logit, probability }) => [
    `  ${(100 * probability).toFixed(2).padStart(6)} %`,
    String(classId),
    label,
    `logit ${logit.toFixed(3)}`,
  ]);
  return `${image}\n${table(rows)}`;
}
