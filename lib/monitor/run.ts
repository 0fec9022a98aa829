// Stopping the machine and letting it go on (QMP: stop, cont, query-status).

import { BlockBackend } from '../block-backend.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import type { RunStateName } from '../graph/run-state.js';
import { activateAll } from './graph-operations.js';

/** QAPI: StatusInfo. */
export interface StatusInfo {
  readonly running: boolean;
  readonly status: RunStateName;
}

/**
 * Stops the machine: handlers of the run state, STOP, then all disks are drained and flushed. (QMP:
 * stop)
 *
 * @throws (rejects) BlockError: the first flush that failed; all were tried.
 */
export function stop(): Promise<void> {
  return graph().runState.stop();
}

/** From these no machine goes on. */
const FINAL: readonly RunStateName[] = [
  'shutdown',
  'internal-error',
  'finish-migrate',
  'inmigrate',
];

/**
 * Takes images back that were given up, resets the I/O status of all disks, and lets the machine
 * run: RESUME. (QMP: cont)
 *
 * @throws (rejects) BlockError EPERM from a state that nothing continues; what activating gives.
 */
export async function cont(): Promise<void> {
  const { state } = graph().runState;
  if (FINAL.includes(state)) {
    const text = `a machine in the state '${state}' cannot continue`;
    throw new BlockError(Errno.EPERM, { operation: 'cont', text });
  }
  if ([...graph().nodes].some(({ inactive }) => inactive)) await activateAll();
  for (const blk of BlockBackend.all()) blk.iostatusReset();
  await graph().runState.start();
}

/** Whether the machine runs. (QMP: query-status) */
export function queryStatus(): StatusInfo {
  const { isRunning: running, state: status } = graph().runState;
  return Object.freeze({ running, status });
}
