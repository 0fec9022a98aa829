// Taking a drive away from a running machine (HMP: drive_del).

import { BlockBackend } from '../block-backend.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { graph } from '../graph/graph.js';
import { blockdevDel } from './blockdev.js';

const OPERATION = 'drive_del';

/**
 * Takes the medium out and the name away. A drive with a device stays for it, empty and without a
 * name, and reports all errors to the guest; one without is closed. Of a node's name it is
 * {@link blockdevDel}. (hmp_drive_del)
 *
 * @throws (rejects) BlockError ENODEV: nothing has that name; EBUSY: the medium is blocked.
 */
export async function driveDel(id: string): Promise<void> {
  if (graph().names.node(id) !== undefined) {
    await blockdevDel(id);
    return;
  }
  const blk = BlockBackend.byName(id);
  if (blk === undefined) {
    const text = `there is no device '${id}'`;
    throw new BlockError(Errno.ENODEV, { operation: OPERATION, text });
  }
  const blocked = blk.root === undefined ? undefined : blk.opBlocked('drive-del');
  if (blocked !== undefined) {
    throw new BlockError(Errno.EBUSY, { operation: OPERATION, device: id, text: blocked });
  }
  await blk.remove();
  blk.setName('');
  if (blk.device === undefined) await blk.close();
  else blk.setOnError('report', 'report');
}
