// What happens to the graph of a drive while its guest goes on. Each change puts the graph back; some
// have others within.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BlockBackend,
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  dropFilter,
  replaceNode,
  ThrottleGroup,
} from '../../dist/index.mjs';
import { patiently } from './drive.mjs';
import { mediaChanges } from './media.mjs';
import { BLOCK } from './model.mjs';

const GUEST = ['consistent-read', 'write'];
const ALL = ['consistent-read', 'write-unchanged', 'write', 'resize'];
const DEPTH = 2;
const POLICIES = ['report', 'ignore', 'stop', 'retry'];
const KINDS = ['read', 'write', 'write-zeroes'];

/** The changes of one drive, one after the other. */
export class Changes {
  #filters = 0;

  constructor(drive, random) {
    this.drive = drive;
    this.random = random;
  }

  run() {
    return this.drive.world.goOn(async () => {
      await this.#one(DEPTH);
      await this.pause(5, 40);
    });
  }

  pause(least, most) {
    return sleep(this.random.between(least, most));
  }

  /** One operation of the product. */
  control(kind, body) {
    return this.drive.world.watch.control(kind, `${this.drive.name}: ${kind}`, body);
  }

  async #one(depth) {
    const within = depth > 0 && this.random.chance(1, 2) ? () => this.#one(depth - 1) : undefined;
    const change = this.random.weighted([
      [12, () => this.#filter('throttle', within)],
      [8, () => this.#filter('copy-on-read', within)],
      [8, () => this.#filter('x-probe', within)],
      [16, () => this.#faults(within)],
      [10, () => this.#reopenFile()],
      [8, () => this.#reopenRaw()],
      [12, () => this.#move(within)],
      [20, () => this.#media(depth === DEPTH)],
      [8, () => this.#reader()],
      [5, () => this.#permissions()],
      [5, () => this.#resize()],
    ]);
    await change();
  }

  #filterOptions(driver) {
    if (driver === 'x-probe') return { filter: true };
    if (driver === 'blkdebug') return this.#rules();
    if (driver === 'throttle') return { 'throttle-group': this.#group().name };
    return {};
  }

  /** Ends with its last member. */
  #group() {
    const group = ThrottleGroup.named(`${this.drive.name}-filter`);
    group.replace({ 'iops-total': this.random.between(500, 5000) });
    return group;
  }

  #rules() {
    const rules = Array.from({ length: this.random.between(1, 3) }, () => ({
      event: 'none',
      iotype: this.random.pick(KINDS),
      errno: this.random.pick([5, 28]),
      once: this.random.chance(1, 2),
      immediately: this.random.chance(1, 2),
      ...(this.random.chance(1, 2) ? { sector: this.random.below(this.drive.blocks) * 8 } : {}),
    }));
    return { 'inject-error': rules };
  }

  /** Above whatever the drive stands on. */
  async #filter(driver, within) {
    const { blk, name, world } = this.drive;
    const top = blk.root.name;
    this.#filters += 1;
    const filter = `${name}x${this.#filters}`;
    const child = driver === 'blkdebug' ? 'image' : 'file';
    const common = { driver, 'node-name': filter, [child]: top };
    world.count(`graph: ${driver} filter`);
    await this.control('blockdev-add', () =>
      blockdevAdd({ ...common, ...this.#filterOptions(driver) }),
    );
    await this.control('replace', () => replaceNode(top, filter));
    await (within?.() ?? this.pause(5, 60));
    await this.control('drop filter', () => dropFilter(filter));
    await this.control('blockdev-del', () => patiently(() => blockdevDel(filter)));
  }

  async #faults(within) {
    const { blk, world } = this.drive;
    world.count('faults');
    const werror = [...POLICIES, 'enospc'];
    blk.setOnError(this.random.pick(POLICIES), this.random.pick(werror));
    await this.drive.failing(() => this.#filter('blkdebug', within));
    blk.setOnError('report', 'enospc');
  }

  async #reopenFile() {
    const { world, media } = this.drive;
    const medium = this.random.pick(media);
    world.count('graph: reopen of a file');
    const reopen = (direct) =>
      this.control('blockdev-reopen', () => blockdevReopen([medium.fileOptions(direct)]));
    await reopen(true);
    await this.pause(5, 60);
    await reopen(false);
  }

  async #reopenRaw() {
    const { world, media } = this.drive;
    const medium = this.random.pick(media);
    world.count('graph: reopen of a format');
    const modes = ['on', 'unmap', 'off'];
    for (const mode of modes) {
      await this.control('blockdev-reopen', () => blockdevReopen([medium.rawOptions(mode)]));
      await this.pause(1, 30);
    }
  }

  /** To another loop, perhaps of another engine, and back. */
  async #move(within) {
    const { blk, world, context } = this.drive;
    world.count('graph: move to another loop and back');
    const move = (to) => this.control('set context', () => blk.setContext(to));
    await move(this.random.pick(world.contexts));
    await (within?.() ?? this.pause(5, 60));
    await move(context);
  }

  /** `bare`: no filter stands on what was in. */
  async #media(bare) {
    const { drive } = this;
    const index = 1 - drive.current;
    drive.world.count('media: changed');
    await this.random.pick(mediaChanges)(this, index);
    if (!bare || !this.random.chance(1, 3)) return;
    const idle = drive.media[1 - index];
    drive.world.count('media: closed and opened');
    await this.control('blockdev-del', () => idle.delete());
    await this.control('blockdev-add', () => idle.add());
  }

  /** Another user of the node, for a while. */
  async #reader() {
    const { drive } = this;
    drive.world.count('graph: second backend');
    const { context } = drive.blk;
    const reader = new BlockBackend({ permissions: ['consistent-read'], context });
    const bytes = reader.allocate(BLOCK);
    const { name, content } = drive.media[drive.current];
    await this.control('insert', () => reader.insert(name));
    for (let count = 0; count < 20; count += 1) {
      const block = this.random.below(drive.blocks);
      const reading = content.reading(block, 1);
      await this.control('read', () => reader.pread(block * BLOCK, bytes));
      const problem = reading.problem(bytes);
      if (problem !== undefined) drive.world.fail(`wrong data: ${problem}`);
      reading.end();
    }
    await this.control('close', () => reader.close());
    // A flush of all disks that goes on holds the backends that it comes to, as in QEMU.
    while (BlockBackend.all().includes(reader)) await this.pause(1, 2);
  }

  async #permissions() {
    const { blk, world } = this.drive;
    world.count('graph: permissions');
    const set = (shared) => this.control('permissions', () => blk.setPermissions(GUEST, shared));
    await set(['consistent-read']);
    await this.pause(1, 20);
    await set(ALL);
  }

  /** The guest does not use what is added. */
  async #resize() {
    const { blk, blocks, world } = this.drive;
    world.count('graph: resize');
    await this.control('permissions', () => blk.setPermissions([...GUEST, 'resize'], ALL));
    for (const more of [16, 0]) {
      await this.control('truncate', () => blk.truncate((blocks + more) * BLOCK));
      await this.pause(1, 20);
    }
    await this.control('permissions', () => blk.setPermissions(GUEST, ALL));
  }
}
