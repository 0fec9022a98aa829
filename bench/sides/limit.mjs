// The plain C loop, bench/limit.c.
import { report, settings, timed } from '../lib/child.mjs';
import { limitProgram } from '../lib/programs.mjs';

const { image, depth, seconds, blockSize, write, sequential, direct } = settings();
const { stdout } = await timed(await limitProgram(), [
  ...(write ? ['-w'] : []),
  ...(sequential ? ['-s'] : []),
  ...(direct ? ['-D'] : []),
  ...['-b', String(blockSize), '-d', String(depth), '-t', String(seconds), image],
]);
report(JSON.parse(stdout));
