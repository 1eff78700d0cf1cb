// npm run sanity: the tables of sanity checks in docs/methods.md; `--help` lists the flags.
import { load, root } from '../bench/bundle.mjs';

const { main } = await load('bench/sanity.ts');
process.exitCode = await main(root, process.argv.slice(2));
