// npm run bench
import { load, root } from './bundle.mjs';

const { main } = await load('bench/node.ts');
process.exitCode = await main(root, process.argv.slice(2));
