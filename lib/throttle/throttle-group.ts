// Throttle groups: one set of limits, shared by backends and throttle nodes.
//
// All buckets and queues are native; here are names, limits as they were given, and who belongs.

import { environment } from '../aio/environment.js';
import type { Handle } from '../aio/native-binding.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import {
  BUCKETS,
  type Bucket,
  type CompleteLimits,
  checkLengths,
  completeLimits,
  NO_LIMITS,
  type ThrottleLimits,
} from './limits.js';
import type { ThrottleMember } from './member.js';
import { type ThrottledInfo, throttledInfo } from './throttle-info.js';

const OPERATION = 'throttle-group';

const groups = new Map<string, ThrottleGroup>();

/** A bucket of a group, as of the call. Units are those of its limit: bytes or operations. */
export interface BucketInfo {
  readonly level: number;
  /** Of the bucket that bounds the rate inside a burst. */
  readonly 'burst-level': number;
}

/** A frozen snapshot of a group. */
export interface ThrottleGroupInfo {
  readonly name: string;
  readonly limits: CompleteLimits;
  readonly members: number;
  readonly buckets: { readonly [name in Bucket]: BucketInfo };
  /** Requests that wait now. */
  readonly waiting: { readonly read: number; readonly write: number };
  /** Nanoseconds from now until the next one that waits goes on; undefined: none waits. */
  readonly 'throttled-for': {
    readonly read: number | undefined;
    readonly write: number | undefined;
  };
  /** Of all members, those included that have left. */
  readonly read: ThrottledInfo;
  readonly write: ThrottledInfo;
}

/**
 * Limits that several disks share, as an object of its own (QAPI: the object `throttle-group`). A
 * group that was only named when a backend was throttled looks the same, and ends with its last
 * member.
 */
export class ThrottleGroup {
  /** Unique in its environment. */
  readonly name: string;
  /** @internal */
  readonly handle: Handle;
  readonly #members = new Set<ThrottleMember>();
  /** Users that hold it without being members yet. */
  #pins = 0;
  #explicit: boolean;
  #limits: CompleteLimits = NO_LIMITS;

  /**
   * A group of its own, which is there until {@link delete}.
   *
   * @param limits as QAPI's ThrottleLimits; absent ones are off.
   * @throws BlockError EINVAL for limits that do not go together, EEXIST for a name that is taken.
   */
  constructor(name: string, limits: ThrottleLimits = {}) {
    if (typeof name !== 'string') throw invalidArgumentType('name', 'of type string', name);
    if (name === '') throw refusal(Errno.EINVAL, 'a throttle group needs a name');
    if (groups.has(name))
      throw refusal(Errno.EEXIST, `there is a throttle group '${name}' already`);
    checkLengths(limits);
    const complete = completeLimits(limits);
    this.name = name;
    this.handle = environment().binding.throttleGroupCreate();
    this.#explicit = true;
    groups.set(name, this);
    this.#apply(complete);
  }

  /** The group of that name. */
  static find(name: string): ThrottleGroup | undefined {
    return groups.get(name);
  }

  /** All groups of this environment, in order of creation. */
  static all(): ThrottleGroup[] {
    return [...groups.values()];
  }

  /** @internal The group of that name, made if there is none; it ends with its last member. */
  static named(name: string): ThrottleGroup {
    const found = groups.get(name);
    if (found !== undefined) return found;
    const group = new ThrottleGroup(name);
    group.#explicit = false;
    return group;
  }

  /** It was made as such; others end with their last member. */
  get isObject(): boolean {
    return this.#explicit;
  }

  /** As in force, complete. */
  get limits(): CompleteLimits {
    return this.#limits;
  }

  /**
   * Changes the limits that are given; the merged set is checked as a whole. Requests that wait are
   * looked at again at once. (qom-set of `limits`)
   *
   * @throws BlockError EINVAL; then nothing has changed.
   */
  update(limits: ThrottleLimits): void {
    this.#checkAlive();
    checkLengths(limits);
    this.#apply(completeLimits(limits, this.#limits));
  }

  /**
   * Replaces all limits: absent ones are off from now on.
   *
   * @throws BlockError EINVAL; then nothing has changed.
   */
  replace(limits: ThrottleLimits): void {
    this.#checkAlive();
    this.#apply(completeLimits(limits));
  }

  /** Ends it. @throws BlockError EBUSY while anybody uses it. (object-del) */
  delete(): void {
    if (!this.#isAlive) return;
    const users = this.#members.size + this.#pins;
    if (users > 0) {
      throw refusal(Errno.EBUSY, `the throttle group '${this.name}' is used by ${users} member(s)`);
    }
    this.#end();
  }

  /**
   * Its limits, what is used of them, and what waits: a frozen snapshot.
   *
   * @throws BlockUsageError once it is closed.
   */
  info(): ThrottleGroupInfo {
    this.#checkAlive();
    const native = environment().binding.throttleGroupInfo(this.handle);
    const buckets = BUCKETS.map((name, index) => {
      const level = native.levels[index] as number;
      return [name, Object.freeze({ level, 'burst-level': native.burstLevels[index] as number })];
    });
    const [read, write] = native.throttledUntil.map((until) =>
      until < 0 ? undefined : Math.max(0, until - native.now),
    );
    const lanes = [...this.#members].map((member) => member.lanes());
    return Object.freeze({
      name: this.name,
      limits: this.#limits,
      members: this.#members.size,
      buckets: Object.freeze(Object.fromEntries(buckets)) as ThrottleGroupInfo['buckets'],
      waiting: Object.freeze({
        read: sum(lanes.map(({ read }) => read.waiting)),
        write: sum(lanes.map(({ write }) => write.waiting)),
      }),
      'throttled-for': Object.freeze({ read, write }),
      read: throttledInfo(native.read),
      write: throttledInfo(native.write),
    });
  }

  /** @internal Keeps it from being deleted until the returned function was called. */
  pin(): () => void {
    this.#pins += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#pins -= 1;
      this.#endIfUnused();
    };
  }

  /** @internal */
  add(member: ThrottleMember): void {
    this.#members.add(member);
  }

  /** @internal */
  remove(member: ThrottleMember): void {
    this.#members.delete(member);
    this.#endIfUnused();
  }

  get #isAlive(): boolean {
    return groups.get(this.name) === this;
  }

  #checkAlive(): void {
    if (this.#isAlive) return;
    throw refusal(Errno.ENOENT, `the throttle group '${this.name}' was deleted`);
  }

  #endIfUnused(): void {
    if (!this.#explicit && this.#members.size + this.#pins === 0) this.#end();
  }

  #end(): void {
    groups.delete(this.name);
    environment().binding.throttleGroupDestroy(this.handle);
  }

  #apply(limits: CompleteLimits): void {
    environment().binding.throttleGroupConfigure(this.handle, numbersOf(limits));
    this.#limits = limits;
  }
}

/** In the order in which native/ reads them. */
function numbersOf(limits: CompleteLimits): number[] {
  const buckets = BUCKETS.flatMap((name) => [
    limits[name],
    limits[`${name}-max`],
    limits[`${name}-max-length`],
  ]);
  return [...buckets, limits['iops-size']];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function refusal(errno: number, text: string): BlockError {
  return new BlockError(errno, { operation: OPERATION, text });
}
