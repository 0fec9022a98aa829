// `block-backend/v86`: disks for machines of the npm package v86, which is not imported.

export { CdRom, type CdRomOptions } from './cd-rom.js';
export type { HeldRequest } from './error-holder.js';
export { Floppy, type FloppyOptions } from './floppy.js';
export { IdeDisk, type IdeDiskOptions } from './ide-disk.js';
export type { V86Emulator } from './machine.js';
export { VirtioBlk, type VirtioBlkOptions } from './virtio-blk.js';
