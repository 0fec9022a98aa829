// One user of throttle groups: a backend, or a node of the driver `throttle`.

import type { Handle, NativeLanes } from '../aio/native-binding.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import type { ThrottleGroup } from './throttle-group.js';

/** The native side of the members of one kind of owner. */
export interface MemberMirror<Owner> {
  /** 0: none. A negative errno when it cannot be. */
  setGroup(owner: Owner, group: Handle): number;
  lanes(owner: Owner): NativeLanes;
}

export class ThrottleMember<Owner = unknown> {
  readonly #owner: Owner;
  readonly #mirror: MemberMirror<Owner>;
  #group: ThrottleGroup | undefined;

  constructor(owner: Owner, mirror: MemberMirror<Owner>) {
    this.#owner = owner;
    this.#mirror = mirror;
  }

  get group(): ThrottleGroup | undefined {
    return this.#group;
  }

  /** Leaves the group that it is in. Nothing of it waits by then. @throws BlockError */
  join(group: ThrottleGroup): void {
    this.leave();
    const errno = this.#mirror.setGroup(this.#owner, group.handle);
    if (errno !== 0) throw failure(errno, group);
    this.#group = group;
    group.add(this);
  }

  leave(): void {
    const group = this.#group;
    if (group === undefined) return;
    const errno = this.#mirror.setGroup(this.#owner, 0);
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
    return this.#mirror.lanes(this.#owner);
  }
}

function failure(errno: number, { name }: ThrottleGroup): BlockError {
  const text =
    errno === Errno.EXDEV
      ? `the throttle group '${name}' has members in another time: a virtual context shares it with nobody`
      : undefined;
  return new BlockError(errno, { operation: 'throttle', text });
}
