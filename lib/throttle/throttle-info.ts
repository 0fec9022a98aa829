// What throttled requests wait and waited for.

import type { NativeLane, NativeWaited } from '../aio/native-binding.js';
import type { ThrottleMember } from './member.js';

/** How long requests of one direction have waited. */
export interface ThrottledInfo {
  /** Requests that had to wait, ever. */
  readonly throttled: number;
  /** How long those waited that went on, in nanoseconds, together. */
  readonly 'throttled-ns': number;
  /**
   * The same, one by one: `bins[i]` counts waits of less than 2^i nanoseconds that are no shorter
   * than 2^(i-1); the last one also all that are longer.
   */
  readonly bins: readonly number[];
}

/** One direction of a member. */
export interface ThrottleLaneInfo extends ThrottledInfo {
  /** Requests that wait now. */
  readonly waiting: number;
}

/** A frozen snapshot of a member of a throttle group. */
export interface ThrottleInfo {
  /** Name of the group; undefined while nothing throttles it. */
  readonly group: string | undefined;
  readonly read: ThrottleLaneInfo;
  readonly write: ThrottleLaneInfo;
}

export function throttledInfo({ throttled, throttledNs, waits }: NativeWaited): ThrottledInfo {
  const bins = Object.freeze([...waits]);
  return Object.freeze({ throttled, 'throttled-ns': throttledNs, bins });
}

function laneInfo(lane: NativeLane): ThrottleLaneInfo {
  return Object.freeze({ waiting: lane.waiting, ...throttledInfo(lane) });
}

export function throttleInfo(member: ThrottleMember): ThrottleInfo {
  const { read, write } = member.lanes();
  return Object.freeze({
    group: member.group?.name,
    read: laneInfo(read),
    write: laneInfo(write),
  });
}
