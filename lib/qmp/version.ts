// What a monitor says of itself.

import { native } from '../native.js';

/** QAPI: VersionInfo. Clients look at `qemu` for what a monitor can do: that of QEMU 7.2. */
const VERSION = Object.freeze({
  qemu: Object.freeze({ micro: 0, minor: 2, major: 7 }),
  package: `block-backend ${native.version}`,
});

export function queryVersion(): typeof VERSION {
  return VERSION;
}

/** The first line of every session. */
export function greeting(): unknown {
  return { QMP: { version: VERSION, capabilities: [] } };
}
