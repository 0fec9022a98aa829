// What the scenarios of the real guest share: disks on files, and a machine that follows a run state.
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BlockBackend, blockdevAdd, blockEvents, RunState, setRunState } from 'block-backend';
import { IdeDisk, VirtioBlk } from 'block-backend/v86';
import { guestImage } from '../../../scripts/guest/image.mjs';
import { Guest } from '../../../scripts/guest/machine.mjs';

export const MiB = 1024 * 1024;

export function makeFile(folder, name, content) {
  const path = join(folder, name);
  if (typeof content === 'number') {
    writeFileSync(path, '');
    truncateSync(path, content);
  } else {
    writeFileSync(path, content);
  }
  return path;
}

/** The disk that the guest boots from; it changes nothing there. */
export async function bootDisk() {
  const { disk } = await guestImage();
  return BlockBackend.open(
    { driver: 'raw', 'read-only': true, file: { driver: 'file', filename: disk } },
    { name: 'boot' },
  );
}

/** A disk that is opened past the page cache, and where discards make holes. */
export const directDisk = (filename, settings) =>
  BlockBackend.open(
    {
      driver: 'raw',
      discard: 'unmap',
      file: { driver: 'file', filename, discard: 'unmap', cache: { direct: true } },
    },
    settings,
  );

/** A disk on which writes of one sector fail, until it is reopened as `sound`. */
export async function faultyDisk(filename, { name, errno, sector, ...policy }) {
  const node = (part) => `${name}-${part}`;
  const cache = { direct: true };
  await blockdevAdd({ driver: 'file', 'node-name': node('file'), filename, cache });
  await blockdevAdd({
    driver: 'blkdebug',
    'node-name': node('debug'),
    image: node('file'),
    'inject-error': [{ event: 'pwritev', iotype: 'write', errno, sector }],
  });
  const format = { driver: 'raw', 'node-name': node('format') };
  const blk = await BlockBackend.open({ ...format, file: node('debug') }, { name, ...policy });
  return { blk, sound: { ...format, file: node('file') } };
}

/** A machine with a run state, and what it told. */
export async function startMachine({ ide = {}, virtio = [], prepare = async () => {}, listener }) {
  const state = new RunState('running');
  setRunState(state);
  const events = [];
  for (const event of ['STOP', 'RESUME', 'BLOCK_IO_ERROR', 'DEVICE_TRAY_MOVED']) {
    blockEvents.on(event, (data) => events.push({ event, ...data }));
  }
  const disks = {};
  for (const [place, blk] of Object.entries(ide)) disks[place] = await IdeDisk.open(blk);
  const devices = Object.values(disks);
  const guest = await Guest.boot({
    disks,
    listener,
    prepare: async (emulator) => {
      for (const [index, blk] of virtio.entries()) {
        devices.push(await VirtioBlk.attach(emulator, blk, { index, serial: blk.name }));
      }
      await prepare(emulator);
    },
  });
  guest.follow(state, devices);
  return { guest, state, events, devices };
}

/**
 * Makes a file system, writes a file, syncs, mounts it again and reads the file; the digests of both
 * times. It stays unmounted.
 */
export async function fileSystemRoundTrip(guest, device, mebibytes) {
  const digest = async () => (await guest.must('md5sum /mnt/data')).split(' ')[0];
  await guest.must(`mke2fs -q ${device} && mount -t ext2 ${device} /mnt`);
  await guest.must(`dd if=/dev/urandom of=/mnt/data bs=64k count=${mebibytes * 16} && sync`);
  const written = await digest();
  await guest.must('umount /mnt && echo 3 > /proc/sys/vm/drop_caches');
  await guest.must(`mount -t ext2 -r ${device} /mnt`);
  const read = await digest();
  await guest.must('umount /mnt');
  return { written, read };
}
