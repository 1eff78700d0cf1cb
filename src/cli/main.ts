/** The program that `bin/webgpu-cam.js` starts. */
import { exitStatus, main } from './run.js';

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // Files written aside are removed by the listeners, before the process ends; the GPU need not be waited for.
    interrupt.abort();
    process.stderr.write('webgpu-cam: interrupted\n');
    process.exit(exitStatus.failed);
  });
}
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // The reader of a pipe has left (`| head`): nothing to say, and nobody to say it to.
    if (error.code === 'EPIPE') process.exit(exitStatus.failed);
    throw error;
  });
}
process.exitCode = await main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupt.signal,
});
