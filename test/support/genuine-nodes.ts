// The same nodes here and in a genuine program, one after the other: both lock the files.
import { type BlockdevOptions, blockdevAdd, ThrottleGroup } from '../../lib/index.js';
import { clearGraph } from './graph.js';
import type { QmpClient } from './qmp-client.js';

/** What both are told, before anything is asked. */
export interface Setup {
  readonly groups?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** From below to above. */
  readonly nodes: readonly BlockdevOptions[];
}

export async function setUpGenuine(qmp: QmpClient, { groups = {}, nodes }: Setup): Promise<void> {
  for (const [id, limits] of Object.entries(groups)) {
    await qmp.execute('object-add', { 'qom-type': 'throttle-group', id, limits });
  }
  for (const options of nodes) await qmp.execute('blockdev-add', options);
}

/** Runs `body` with the setup, of which nothing is left when this resolves. */
export async function withSetup<T>(
  { groups = {}, nodes }: Setup,
  body: () => Promise<T> | T,
): Promise<T> {
  const made = Object.entries(groups).map(([name, limits]) => new ThrottleGroup(name, limits));
  try {
    for (const options of nodes) await blockdevAdd(options);
    return await body();
  } finally {
    await clearGraph();
    for (const group of made) group.delete();
  }
}
