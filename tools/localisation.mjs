// npm run localisation: the table of localisation in docs/methods.md; `--help` lists the flags.
import { load, root } from '../bench/bundle.mjs';

const { main } = await load('bench/localisation.ts');
process.exitCode = await main(root, process.argv.slice(2));
