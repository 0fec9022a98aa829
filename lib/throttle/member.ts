// One user of throttle groups: a backend, or a node of the driver `throttle`.

import type { Handle, NativeLanes } from '../aio/native-binding.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { ThrottleGroup } from './throttle-group.js';

/** The native side of a member. */
export interface MemberMirror {
  /** 0: none. A negative errno when it cannot be. */
  setGroup(group: Handle): number;
  lanes(): NativeLanes;
}

export class ThrottleMember {
  readonly #mirror: MemberMirror;
  #group: ThrottleGroup | undefined;

  constructor(mirror: MemberMirror) {
    this.#mirror = mirror;
  }

  get group(): ThrottleGroup | undefined {
    return this.#group;
  }

  /** Leaves the group that it is in. Nothing of it waits by then. @throws BlockError */
  join(group: ThrottleGroup): void {
    this.leave();
    const errno = this.#mirror.setGroup(group.handle);
    if (errno !== 0) throw failure(errno, group);
    this.#group = group;
    group.add(this);
  }

  leave(): void {
    const group = this.#group;
    if (group === undefined) return;
    const errno = this.#mirror.setGroup(0);
    if (errno !== 0) throw failure(errno, group);
    this.gone();
  }

  /** It is left natively already. */
  gone(): void {
    const group = this.#group;
    this.#group = undefined;
    group?.remove(this);
  }

  lanes(): NativeLanes {
    return this.#mirror.lanes();
  }
}

function failure(errno: number, { name }: ThrottleGroup): BlockError {
  const text =
    errno === Errno.EXDEV
      ? `the throttle group '${name}' has members in another time: a virtual context shares it with nobody`
      : undefined;
  return new BlockError(errno, { operation: 'throttle', text });
}
