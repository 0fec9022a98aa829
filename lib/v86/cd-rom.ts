// The CD-ROM drive of a v86 machine.

import type { BlockBackend } from '../block-backend.js';
import { BlockUsageError } from '../errors/block-error.js';
import { cdromOf, type V86Emulator } from './machine.js';
import { RemovableDrive } from './removable-drive.js';

const SECTOR = 2048;

/** How a {@link CdRom} is attached. */
export interface CdRomOptions {
  /** How the media commands name the drive. Default 'ide1-cd0'. */
  readonly id?: string | undefined;
}

/**
 * `blockdevChangeMedium({ id: 'ide1-cd0', ... })`, `eject()` and the others change what is in the
 * drive, and the guest notices that the medium was changed.
 */
export class CdRom extends RemovableDrive {
  /**
   * Attaches the drive to the backend, and puts in what the backend has. For a machine that has been
   * loaded (its event 'emulator-loaded').
   *
   * @throws (rejects) BlockUsageError for a machine without the drive; BlockError EBUSY when the
   *   backend has a device, and whatever asking for the medium's length gives.
   */
  static async attach(
    emulator: V86Emulator,
    blk: BlockBackend,
    { id = 'ide1-cd0' }: CdRomOptions = {},
  ): Promise<CdRom> {
    const drive = cdromOf(emulator);
    if (drive === undefined) throw new BlockUsageError('the machine has no CD-ROM drive');
    const cdRom = new CdRom(blk, {
      sectorSize: SECTOR,
      medium: () => drive.buffer,
      insert: (disk) => drive.set_cdrom(disk),
      eject: () => drive.eject(),
    });
    return cdRom.attach(id);
  }
}
