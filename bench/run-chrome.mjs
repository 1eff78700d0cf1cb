// npm run bench:chrome
import { forPage, load, root } from './bundle.mjs';

const { main } = await load('bench/chrome.ts');
process.exitCode = await main(root, process.argv.slice(2), await forPage('bench/page.ts'));
