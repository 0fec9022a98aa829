import type { DriverDefinition } from '../graph/driver-definition.js';

const GIB = 1024 ** 3;

function nullDriver(name: string): DriverDefinition {
  return {
    name,
    options: [
      { name: 'size', type: 'integer', default: GIB, strong: true },
      { name: 'latency-ns', type: 'integer', default: 0 },
      { name: 'read-zeroes', type: 'boolean', default: false, strong: true },
    ],
    reopens: [],
    protocol: (filename) => (filename === `${name}://` ? {} : undefined),
    exactFilename: (_node, given) => (given.length === 0 ? `${name}://` : ''),
    children: [],
    leavesReadBuffers: (options) => options['read-zeroes'] !== true,
  };
}

/** Does nothing, at once (block/null.c). */
export const nullCo = nullDriver('null-co');

/** Does nothing, from a later turn of the loop (block/null.c). */
export const nullAio = nullDriver('null-aio');
