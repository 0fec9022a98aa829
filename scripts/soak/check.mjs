// What must be true while nothing is going on.
import { readFileSync } from 'node:fs';
import { graphDump, ThrottleGroup } from '../../dist/index.mjs';
import { openFiles, residentBytes, threads } from './leaks.mjs';
import { BLOCK } from './model.mjs';

/** Threads that all engines together may keep for later; one of a worker that has ended adds up to more. */
const SPARE_THREADS = 100;

/** Files as the kernel sees them: nothing of the product reads here. */
function checkContent(world, drives) {
  for (const drive of drives) {
    for (const { filename, content } of drive.media) {
      const reading = content.reading(0, content.blocks);
      const bytes = readFileSync(filename).subarray(0, content.blocks * BLOCK);
      const problem = reading.problem(bytes);
      reading.end();
      if (problem !== undefined) world.fail(`lost in ${filename}: ${problem}`);
    }
  }
}

function checkCounts(world, drives) {
  for (const { blk, name } of drives) {
    const { inFlight, parked, quiesceCount } = blk;
    if (inFlight + parked + quiesceCount === 0) continue;
    const counts = `${inFlight} in flight, ${parked} parked, ${quiesceCount} sections`;
    world.fail(`${name} is idle, with ${counts}`);
  }
  for (const context of world.contexts) {
    const { inFlight, name } = context.info();
    if (inFlight > 0) world.fail(`the context '${name}' is idle, with ${inFlight} in flight`);
  }
  if (world.watch.open.length > 0) world.fail(`not finished: ${world.watch.open.join('; ')}`);
}

/** Whatever would be left behind, in words that are equal when nothing is. */
function heldNow() {
  const { nodes, backends, edges } = graphDump();
  const names = nodes.map(({ name }) => name).sort();
  const groups = ThrottleGroup.all().filter(({ name }) => name.endsWith('-filter'));
  const handles = process
    .getActiveResourcesInfo()
    .filter((name) => !/Timeout|Immediate/.test(name));
  return {
    nodes: names.join(' '),
    backends: backends.length,
    edges: edges.length,
    'groups of filters': groups.length,
    'open files': openFiles(),
    'live handles': handles.sort().join(' '),
  };
}

export class Checks {
  #first;
  #threads;

  constructor(world, drives, growth) {
    Object.assign(this, { world, drives, growth });
  }

  /** Call it while nothing is going on. */
  async run() {
    const { world, drives } = this;
    checkCounts(world, drives);
    checkContent(world, drives);
    const held = heldNow();
    this.#first ??= held;
    for (const [what, value] of Object.entries(held)) {
      if (value === this.#first[what]) continue;
      world.fail(`leak: ${what}: ${value}, at first ${this.#first[what]}`);
    }
    this.#threads ??= threads();
    if (threads() > this.#threads + SPARE_THREADS) {
      world.fail(`leak: ${threads()} threads, at first ${this.#threads}`);
    }
    this.growth.add(await residentBytes());
  }
}
