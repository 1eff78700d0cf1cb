import { join } from 'node:path';
import { Command, Option } from 'commander';
import type { ColormapName } from '../image/colormap.js';
import { explainImage, type ImageResult } from './explain-image.js';
import { checkLaterJobs, type Job, type JobFlags, jobsOf, methodsOf } from './explain-jobs.js';
import { described, type Summary, warningsOf } from './explain-summary.js';
import {
  classIds,
  colormapOption,
  fraction,
  type ImageFlags,
  imagePathOption,
  imagePaths,
  layerOption,
  mebibytes,
  methodChoices,
  type NetworkFlags,
  networkOptions,
  outputDirOption,
  profileOption,
} from './flags.js';
import { imageFiles } from './images.js';
import { type Io, json } from './io.js';
import { chooseNetwork, withNet } from './network.js';
import { checkWritable } from './output-files.js';
import { Progress } from './progress.js';

interface ExplainFlags extends NetworkFlags, ImageFlags, JobFlags {
  readonly outputDir: string;
  readonly colormap?: ColormapName;
  readonly alpha: number;
  readonly npyRaw?: boolean;
}

/** `webgpu-cam explain`. */
export function explainCommand(io: Io): Command {
  const command = new Command('explain')
    .description('draw which pixels of a photo made the network say so')
    .argument('[images...]', 'photos: PNG, JPEG or WebP')
    .addOption(imagePathOption());
  for (const option of networkOptions()) command.addOption(option);
  return command
    .addOption(layerOption())
    .addOption(
      new Option(
        '--class-id <number>',
        'class to explain, or several by commas, each by itself (default: the predicted class)',
      ).argParser(classIds),
    )
    .addOption(
      new Option(
        '--top-five',
        'explain the five likeliest classes with weights 3, 2, 1.5, 1, 1',
      ).conflicts(['classId', 'probability']),
    )
    .addOption(new Option('--probability', "explain the class's probability, not its logit"))
    .addOption(
      new Option(
        '--method <name>',
        'method, or several by commas, with options as in name:key=value,key=value; enhanced-... and smooth-... wrap one (default: grad-cam)',
      ).argParser(methodChoices),
    )
    .addOption(
      new Option(
        '--enhance',
        'sharpen every method by a sliding window: grad-cam as enhanced-grad-cam',
      ),
    )
    .addOption(profileOption())
    .addOption(new Option('--seed <seed>', 'seed of the methods that have one'))
    .addOption(outputDirOption())
    .addOption(colormapOption(undefined, 'jet; bwr for maps with a sign, red for, blue against'))
    .addOption(
      new Option('--alpha <fraction>', 'how much of the colour covers the photo, 0 to 1')
        .argParser(fraction)
        .default(0.5),
    )
    .addOption(
      new Option(
        '--memory <MiB>',
        'what one batch of masked copies may take on the GPU (default: a quarter of its largest buffer)',
      ).argParser(mebibytes),
    )
    .addOption(new Option('--npy-raw', 'also write the map before normalisation'))
    .action(async (images: string[], flags: ExplainFlags) => {
      await explainImages(images, flags, io);
    });
}

async function explainImages(
  positional: readonly string[],
  flags: ExplainFlags,
  io: Io,
): Promise<void> {
  // What can be wrong is looked at before the GPU is asked for anything; what only the device's limits tell, before the first photo.
  const files = await imageFiles(imagePaths(positional, flags));
  const methods = methodsOf(flags);
  const chosen = await chooseNetwork(flags, io);
  const jobs = jobsOf(methods, flags, chosen.description);
  checkWritable(flags.outputDir);

  const summaries: Summary[] = [];
  await withNet(chosen, flags, io, async (net, gpu) => {
    checkLaterJobs(net, jobs, flags);
    const maps = jobs.reduce((sum, { asks }) => sum + asks.length, 0);
    const progress = new Progress(io.stderr, 'explaining', files.length * maps, 'maps');
    // Photos without a single map are written if there is one of another photo.
    const held: ImageResult[] = [];
    try {
      for (const [i, file] of files.entries()) {
        const onJob = (done: number, { asks }: Job, share = 0, pace = '') =>
          progress.update(
            i * maps + done + share * asks.length,
            `${file.path} ${asks.map(({ stem }) => stem).join(', ')}${pace && `: ${pace}`}`,
          );
        const folder = join(flags.outputDir, file.name);
        held.push(await explainImage({ net, gpu, chosen, jobs, flags, io, file, folder, onJob }));
        if (summaries.length === 0 && held.every(({ refusal }) => refusal)) continue;
        for (let next = held[0]; next; next = held[0]) {
          const { summary } = next;
          next.files.commit();
          held.shift();
          summaries.push(summary);
          if (!flags.json) progress.around(() => io.stdout.write(described(summary, next.folder)));
        }
      }
      if (held.length > 0) throw held[0].refusal;
    } finally {
      progress.stop();
      // The last first: it was the first that made the folder of all.
      for (const { files } of held.reverse()) files.discard();
    }
    for (const warning of summaries.flatMap(warningsOf)) io.stderr.write(warning);
  });
  if (flags.json) io.stdout.write(json(summaries));
}
