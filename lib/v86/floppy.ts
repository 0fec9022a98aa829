// A floppy drive of a v86 machine.

import type { BlockBackend } from '../block-backend.js';
import { BlockError, BlockUsageError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { floppyOf, type V86Emulator } from './machine.js';
import { RemovableDrive } from './removable-drive.js';

/** How a {@link Floppy} is attached. */
export interface FloppyOptions {
  /** 0 for the first drive (default), 1 for the second. */
  readonly index?: 0 | 1 | undefined;
  /** How the media commands name the drive. Default 'floppy0' or 'floppy1'. */
  readonly id?: string | undefined;
}

/**
 * `blockdevChangeMedium({ id: 'floppy0', ... })`, `eject()` and the others change what is in the
 * drive. It takes media of the sizes that floppies had, such as 1,474,560 bytes, to the byte.
 */
export class Floppy extends RemovableDrive {
  /**
   * Attaches the drive to the backend, and puts in what the backend has. For a machine that has been
   * loaded (its event 'emulator-loaded').
   *
   * @throws (rejects) BlockUsageError for a machine without the drive; BlockError EBUSY when the
   *   backend has a device, EINVAL for a medium of a size that no floppy has, and whatever asking for
   *   its length gives.
   */
  static async attach(
    emulator: V86Emulator,
    blk: BlockBackend,
    { index = 0, id = `floppy${index}` }: FloppyOptions = {},
  ): Promise<Floppy> {
    const drive = floppyOf(emulator, index);
    if (drive === undefined) throw new BlockUsageError(`the machine has no floppy drive ${index}`);
    const floppy = new Floppy(blk, {
      sectorSize: 512,
      medium: () => drive.buffer,
      insert: (disk) => {
        // It copies a medium of another size from memory that a disk does not have.
        if (drive.insert_disk(disk, !blk.isWritable) && drive.buffer === disk) return;
        drive.eject_disk();
        const text = `a floppy of ${disk.byteLength} bytes does not exist`;
        throw new BlockError(Errno.EINVAL, { operation: 'insert', device: blk.name, text });
      },
      eject: () => drive.eject_disk(),
    });
    return floppy.attach(id);
  }
}
