// What happens to a drive beside changes of its graph: limits, drained sections, questions.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  drainedAll,
  drainedNode,
  drawGraph,
  flushAll,
  graphDump,
  metrics,
  queryBlock,
  queryBlockstats,
  queryNamedBlockNodes,
} from '../../dist/index.mjs';

const MIB = 1024 * 1024;

export class Controls {
  constructor(drive, random) {
    this.drive = drive;
    this.random = random;
  }

  run() {
    return this.drive.world.goOn(async () => {
      await this.#one();
      await sleep(this.random.between(5, 40));
    });
  }

  #control(kind, body) {
    return this.drive.world.watch.control(kind, `${this.drive.name}: ${kind}`, body);
  }

  #one() {
    const control = this.random.weighted([
      [40, () => this.#throttle()],
      [20, () => this.#drain(() => this.drive.blk.drained())],
      [8, () => this.#drainNode()],
      [3, () => this.#drain(() => drainedAll())],
      [8, () => this.#writeCache()],
      [4, () => this.#flushAll()],
      [12, () => this.#questions()],
    ]);
    return control();
  }

  /** A request of 32 KiB never waits for long. */
  #limits() {
    const rate = { 'iops-total': this.random.between(400, 8000) };
    const bytes = { 'bps-total': this.random.between(16, 200) * MIB };
    return this.random.pick([rate, bytes, { ...rate, ...bytes }, {}]);
  }

  async #throttle() {
    const { blk, name, world } = this.drive;
    world.count('throttle');
    if (blk.throttleGroup === undefined) blk.ioLimitsEnable(this.random.pick([name, 'shared']));
    else if (this.random.chance(1, 4)) {
      await this.#control('io limits disable', () => blk.ioLimitsDisable());
      return;
    } else if (this.random.chance(1, 3)) {
      const other = this.random.pick([name, 'shared']);
      await this.#control('io limits update group', () => blk.ioLimitsUpdateGroup(other));
    }
    blk.setIoLimits(this.#limits());
    blk.throttleInfo();
  }

  async #drain(begin) {
    this.drive.world.count('drain');
    const section = await this.#control('drain', begin);
    await sleep(this.random.between(0, 20));
    section.end();
  }

  async #drainNode() {
    const { root } = this.drive.blk;
    if (root === undefined) return;
    await this.#drain(() => drainedNode(root, { subtree: this.random.chance(1, 2) }));
  }

  async #writeCache() {
    const { blk, world } = this.drive;
    world.count('write cache off and on');
    blk.writeCache = false;
    await sleep(this.random.between(0, 20));
    blk.writeCache = true;
  }

  async #flushAll() {
    this.drive.world.count('flush of all');
    await this.#control('flush all', () => flushAll());
  }

  /** Whatever a monitor asks; the answers must be there, whatever is going on. */
  async #questions() {
    const { world, name } = this.drive;
    world.count('queries');
    const answers = await this.#control('query', () =>
      Promise.all([queryBlock(), queryNamedBlockNodes(), metrics()]),
    );
    const dump = graphDump();
    const shown = [dump, drawGraph(dump, 'dot'), queryBlockstats()];
    if (!JSON.stringify([answers, shown]).includes(name)) world.fail(`no query knows ${name}`);
  }
}
