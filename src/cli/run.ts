import { Command, CommanderError } from 'commander';
import { DeviceError, nearest, WebgpuCamError } from '../errors.js';
import { demoCommand } from './demo-command.js';
import { explainCommand } from './explain-command.js';
import { featuresCommand } from './features-command.js';
import { inspectCommand } from './inspect-command.js';
import { type Io, UsageError } from './io.js';
import { layersCommand } from './layers-command.js';
import { methodsCommand } from './methods-command.js';
import { packageVersion } from './package.js';
import { planCommand } from './plan-command.js';
import { predictCommand } from './predict-command.js';
import { sanityCommand } from './sanity-command.js';

/** Exit statuses of the command. */
export const exitStatus = { done: 0, failed: 1, badInput: 2 } as const;

/**
 * Runs the command line.
 *
 * @param argv the arguments after the program's name
 * @returns the exit status: 0 done, 2 bad usage or input (one line on stderr), 1 anything else
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  try {
    await program(io).parseAsync(argv, { from: 'user' });
    return exitStatus.done;
  } catch (error) {
    return report(error, io);
  }
}

function program(io: Io): Command {
  const root = new Command('webgpu-cam')
    .description('saliency maps for image classifiers, computed on the GPU')
    .version(packageVersion());
  const commands = [
    demoCommand(io),
    explainCommand(io),
    predictCommand(io),
    layersCommand(io),
    planCommand(io),
    methodsCommand(io),
    inspectCommand(io),
    featuresCommand(io),
    sanityCommand(io),
  ];
  for (const command of commands) root.addCommand(command);
  for (const command of [root, ...commands]) {
    command.exitOverride().configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: () => {}, // said in one line by `report`
    });
  }
  const names = commands.map((command) => command.name());
  return root.allowExcessArguments().action(() => {
    const [given] = root.args;
    throw new UsageError(
      given === undefined
        ? `no command given: one of ${names.join(', ')}, or --help`
        : `no command ${given}: nearest are ${nearest(given, names).join(', ')}; --help lists all`,
    );
  });
}

function report(error: unknown, io: Io): number {
  const say = (text: string) =>
    io.stderr.write(`webgpu-cam: ${text.replace(/\s*[\r\n]+\s*/g, ' ').trim()}\n`);
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exitStatus.done;
    say(error.message.replace(/^error: /, ''));
    return exitStatus.badInput;
  }
  if (io.signal?.aborted) {
    say('interrupted');
    return exitStatus.failed;
  }
  if (error instanceof WebgpuCamError) {
    say(error.message);
    return error instanceof DeviceError ? exitStatus.failed : exitStatus.badInput;
  }
  // A fault of ours: whoever reports it needs to see where.
  io.stderr.write(
    `webgpu-cam: unexpected ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return exitStatus.failed;
}
