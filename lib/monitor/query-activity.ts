// What goes on right now, which QEMU's queries do not tell.

import { knownBackends } from './query-block.js';

/** A frozen snapshot of a drive. */
export interface BlockActivity {
  /** Name of the backend; '' without one. */
  readonly device: string;
  /** Id of the device, else its path; absent without a device. */
  readonly qdev?: string;
  /** Requests that count: they run, or wait for a limit. */
  readonly 'in-flight': number;
  /** That wait for the end of a drained section. */
  readonly parked: number;
  /** That wait for a limit now. */
  readonly throttled: number;
  /** How long those waited that a limit has let go, in ns, together. */
  readonly 'throttled-ns': number;
}

/** Every backend with a name or a device, in order of creation, as query-block has them. */
export function queryBlockActivity(): BlockActivity[] {
  return knownBackends().map((blk) => {
    const { inFlight, parked } = blk.info();
    const qdev = blk.attachedDeviceId;
    const { read, write } = blk.throttleInfo();
    return Object.freeze({
      device: blk.name,
      ...(qdev === '' ? {} : { qdev }),
      'in-flight': inFlight,
      parked,
      throttled: read.waiting + write.waiting,
      'throttled-ns': read['throttled-ns'] + write['throttled-ns'],
    });
  });
}
