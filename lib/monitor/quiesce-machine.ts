import { graph } from '../graph/graph.js';
import { flushAll } from './flush-all.js';

/** What stopping a machine ends with: everything is drained, then flushed. (do_vm_stop) */
export async function quiesceMachine(): Promise<void> {
  const section = graph().drainAll();
  try {
    await section.quiet();
  } finally {
    section.end();
  }
  await flushAll();
}
