// npm run bench:peers
import { forPage, load, root } from './bundle.mjs';

const { main } = await load('bench/peers/command.ts');
process.exitCode = await main(root, process.argv.slice(2), () => forPage('bench/peers/page.ts'));
