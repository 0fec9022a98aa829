// The process in which a soak runs: node --expose-gc main.mjs '{"seconds":...}'. Prints a line for
// each round and a report; its exit code tells whether all was well.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AioContext, graphDump } from '../../dist/index.mjs';
import { Changes } from './changes.mjs';
import { Checks } from './check.mjs';
import { Controls } from './controls.mjs';
import { Drive } from './drive.mjs';
import { Growth } from './leaks.mjs';
import { Lane } from './load.mjs';
import { Random } from './random.mjs';
import { Reference } from './reference.mjs';
import { reportText, roundText } from './report.mjs';
import { Watch } from './watch.mjs';
import { WorkerPlace } from './workers.mjs';
import { World } from './world.mjs';

const LANES = 12;
const BLOCKS = 1536;
const WORKERS = 2;
const STALL_MS = 1000;
const POLL_MS = 5;
/** Fewer say nothing about memory. */
const LEAST_ROUNDS = 12;

const settings = JSON.parse(process.argv[2]);
const say = (line) => process.stderr.write(`soak: ${line}\n`);

const combinations = settings.engines.flatMap((aio) =>
  settings.homes.map((home) => ({ aio, home })),
);

/** Everything that runs, and how it is stopped for a while. */
class Soak {
  constructor(folder) {
    this.random = new Random(settings.seed);
    this.world = new World({ folder, random: this.random });
    this.reference = new Reference(folder);
    this.world.combinations = combinations;
    this.world.contexts = combinations.map((options) => new AioContext(options));
    this.growth = new Growth();
  }

  #own() {
    return new Random(this.random.below(2 ** 31));
  }

  async begin() {
    const { world } = this;
    await this.reference.begin();
    world.watch = new Watch(this.reference, STALL_MS, (problem) => world.fail(problem));
    this.drives = world.contexts.map(
      (context, index) => new Drive(world, { tag: index + 1, blocks: BLOCKS, context }),
    );
    for (const drive of this.drives) await drive.open();
    const parts = this.drives.flatMap((drive) => [
      ...Array.from({ length: LANES }, (_, index) => {
        return new Lane(drive, this.#own(), { index, lanes: LANES });
      }),
      new Changes(drive, this.#own()),
      new Controls(drive, this.#own()),
    ]);
    for (let index = 0; index < WORKERS; index += 1) {
      parts.push(new WorkerPlace(world, this.#own(), index));
    }
    this.parts = parts.length;
    this.ended = Promise.all(parts.map((part) => this.#run(part)));
    this.checks = new Checks(world, this.drives, this.growth);
  }

  async #run(part) {
    try {
      await part.run();
    } catch (error) {
      this.world.fail(`${part.constructor.name} of ${part.drive?.name}: ${error.stack}`);
    }
  }

  /** One round: for so long everything goes on; then nothing does, and it is looked at. */
  async round(seconds) {
    const { world } = this;
    await Promise.race([sleep(seconds * 1000), world.failed]);
    world.gate.set(false);
    // Whoever does not come to the gate is found by the watch.
    while (world.gate.held < this.parts && world.problems.length === 0) await sleep(POLL_MS);
    if (world.problems.length === 0) await this.checks.run();
  }

  go() {
    this.world.gate.set(true);
  }

  async end() {
    const { world } = this;
    world.ending = true;
    this.go();
    await this.ended;
    for (const drive of this.drives) await drive.close();
    const { nodes, backends } = graphDump();
    if (nodes.length + backends.length > 0) world.fail('nodes or backends are left at the end');
    for (const context of world.contexts) await context.close();
    world.watch.end();
    world.end();
    await this.reference.end();
  }
}

async function soakIn(folder) {
  const soak = new Soak(folder);
  const { world } = soak;
  await soak.begin();
  const began = Date.now();
  const left = () => settings.seconds - (Date.now() - began) / 1000;
  while (left() > 0 && world.problems.length === 0) {
    await soak.round(Math.min(settings.round, left()));
    say(roundText((Date.now() - began) / 1000, soak));
    if (world.problems.length === 0 && left() > 0) soak.go();
  }
  const { growth } = soak;
  if (growth.rounds.length >= LEAST_ROUNDS && growth.bytes > settings.growth) {
    world.fail(`leak: resident memory grew by ${growth.text}`);
  }
  if (world.problems.length === 0) await soak.end();
  for (const line of reportText(settings, soak)) say(line);
  return world.problems.length === 0 ? 0 : 1;
}

const folder = mkdtempSync(join(settings.folder ?? tmpdir(), 'block-backend-soak-'));
const removeFolder = () => rmSync(folder, { recursive: true, force: true });
process.on('uncaughtException', (error) => {
  say(`uncaught: ${error.stack}`);
  removeFolder();
  process.exit(1);
});
const code = await soakIn(folder);
removeFolder();
// After a problem much may be left that nobody can wait for.
if (code !== 0) process.exit(code);
