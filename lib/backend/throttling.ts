import { environment } from '../aio/environment.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockUsageError } from '../errors/block-error.js';
import type { CompleteLimits, ThrottleLimits } from '../throttle/limits.js';
import { type MemberMirror, ThrottleMember } from '../throttle/member.js';
import { ThrottleGroup } from '../throttle/throttle-group.js';
import { type ThrottleInfo, throttleInfo } from '../throttle/throttle-info.js';
import { BackendErrors } from './errors.js';

/**
 * Limits of a backend: reads, writes and zero-writes wait their turn in its throttle group; other
 * requests do not, and nobody waits inside a drained section, though all are charged.
 */
export abstract class BackendThrottling extends BackendErrors {
  /** One for all backends: closures of each would take 200 bytes of it. */
  static readonly #mirror: MemberMirror<BackendThrottling> = {
    setGroup: ({ graphRoot }, group) =>
      environment().binding.backendSetGroup(graphRoot.handle, group),
    lanes: ({ graphRoot }) => environment().binding.backendThrottleInfo(graphRoot.handle),
  };
  readonly #member = new ThrottleMember<BackendThrottling>(this, BackendThrottling.#mirror);

  /** The group that throttles it; undefined while nothing does. */
  get throttleGroup(): ThrottleGroup | undefined {
    return this.#member.group;
  }

  /**
   * Throttles the backend from now on, with the limits of the group of that name; one that does not
   * exist is made, and ends with its last member. (blk_io_limits_enable)
   *
   * @throws BlockUsageError when it is throttled already. BlockError ENOMEDIUM when it is closed.
   */
  ioLimitsEnable(group: string): void {
    checkGroupName(group);
    this.checkOpen('io-limits-enable');
    const { throttleGroup } = this;
    if (throttleGroup !== undefined) {
      const text = `is throttled already, by the group '${throttleGroup.name}'`;
      throw new BlockUsageError(`${this.graphRoot.describe()} ${text}`);
    }
    this.#join(group);
  }

  /**
   * Lets the backend go: what waits runs at once. (blk_io_limits_disable)
   *
   * @throws (rejects) BlockUsageError when nothing throttles it.
   */
  async ioLimitsDisable(): Promise<void> {
    if (this.throttleGroup === undefined) throw this.#notThrottled();
    await this.#whileNothingWaits(() => this.#member.leave());
  }

  /**
   * Moves the backend to another group, of which it takes the limits; nothing happens when it is
   * not throttled, or in that group already. (blk_io_limits_update_group)
   */
  async ioLimitsUpdateGroup(group: string): Promise<void> {
    checkGroupName(group);
    const isElsewhere = (): boolean =>
      this.throttleGroup !== undefined && this.throttleGroup.name !== group;
    if (!isElsewhere()) return;
    await this.#whileNothingWaits(() => {
      if (isElsewhere()) this.#join(group);
    });
  }

  /** The limits in force, of all members of the group; undefined while nothing throttles it. */
  get ioLimits(): CompleteLimits | undefined {
    return this.throttleGroup?.limits;
  }

  /**
   * Gives the group other limits, for all of its members: absent ones are off from now on. Requests
   * that wait are looked at again at once. (blk_set_io_limits)
   *
   * @throws BlockUsageError when nothing throttles it. BlockError EINVAL for limits that do not go
   * together; the old ones stay.
   */
  setIoLimits(limits: ThrottleLimits): void {
    const { throttleGroup } = this;
    if (throttleGroup === undefined) throw this.#notThrottled();
    throttleGroup.replace(limits);
  }

  /** What waits, and how long others have waited. Costs requests nothing. */
  throttleInfo(): ThrottleInfo {
    return throttleInfo(this.#member);
  }

  /** @internal */
  protected forgetThrottling(): void {
    this.#member.leave();
  }

  #join(name: string): void {
    const group = ThrottleGroup.named(name);
    const release = group.pin();
    try {
      this.#member.join(group);
    } finally {
      release();
    }
  }

  #notThrottled(): BlockUsageError {
    return new BlockUsageError(`${this.graphRoot.describe()} is not throttled`);
  }

  /** Without a medium nothing can wait (TG-19); what was refused may still be on its way back. */
  async #whileNothingWaits(body: () => void): Promise<void> {
    if (this.graphRoot.node === undefined && this.graphRoot.info().inFlight === 0) {
      body();
      return;
    }
    const section = this.beginSection();
    try {
      await section.quiet();
      await section.whenQuiet(body);
    } finally {
      section.end();
    }
  }
}

function checkGroupName(group: unknown): void {
  if (typeof group !== 'string' || group === '') {
    throw invalidArgumentType('group', 'the name of a throttle group', group);
  }
}
