// A real guest in v86 on our disks: one boot, one thing after the other; prints what it saw as JSON.
// Argument: a folder for images. GUEST_CONSOLE=1 shows the guest's console.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  BlockBackend,
  blockdevChangeMedium,
  blockdevReopen,
  cont,
  eject,
  stop,
} from 'block-backend';
import { CdRom, Floppy } from 'block-backend/v86';
import {
  bootDisk,
  directDisk,
  faultyDisk,
  fileSystemRoundTrip,
  MiB,
  makeFile,
  startMachine,
} from './machine-room.mjs';

const [folder] = process.argv.slice(2);
const EIO = 5;
const ENOSPC = 28;
/** Inside a file of most of the disk. */
const BAD_SECTOR = (20 * MiB) / 512;

async function until(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** Writes a file over the bad sector and waits for the machine to stop, mends the disk, and goes on. */
async function stopAndMend({ guest, state, events }, device, faulty) {
  await guest.must(`mke2fs -q ${device} && mount -t ext2 ${device} /mnt`);
  await guest.must('dd if=/dev/urandom of=/tmp/data bs=1M count=24');
  const wanted = (await guest.must('md5sum /tmp/data')).split(' ')[0];
  const first = events.length;
  const copying = guest.run('cp /tmp/data /mnt/data && sync; echo "copied $?"');
  await until(() => !state.isRunning);
  const stopped = { state: state.state, iostatus: faulty.blk.iostatus };
  await blockdevReopen([faulty.sound]);
  await cont();
  const { output } = await copying;
  await guest.must('umount /mnt && echo 3 > /proc/sys/vm/drop_caches && rm /tmp/data');
  await guest.must(`mount -t ext2 -r ${device} /mnt`);
  const read = (await guest.must('md5sum /mnt/data')).split(' ')[0];
  const complaints = await guest.run(`dmesg | grep -i "i/o error.*${device.slice(5)}"`);
  await guest.must('umount /mnt');
  return {
    ...stopped,
    events: events.slice(first).map(({ event, action }) => action ?? event),
    copied: /copied 0/.test(output),
    intact: read === wanted,
    digest: wanted,
    complaints: complaints.output,
  };
}

/** Reads the CD before, between and after the operator's commands. */
async function changeMedia({ guest, events }) {
  const first = events.length;
  const peek = () => guest.run('head -c 8 /dev/sr0');
  const media = [(await peek()).output];
  const filename = makeFile(folder, 'b.iso', 'medium B'.padEnd(64 * 1024));
  await blockdevChangeMedium({ id: 'cd0', filename, format: 'raw' });
  media.push((await peek()).output);
  await eject({ id: 'cd0' });
  media.push((await peek()).status);
  return { media, moved: events.slice(first).map((event) => event['tray-open']) };
}

/** Puts a floppy in, on which the guest writes. */
async function useFloppy({ guest }) {
  const filename = makeFile(folder, 'floppy.img', 1_474_560);
  await blockdevChangeMedium({ id: 'floppy0', filename, format: 'raw' });
  const { status } = await guest.run('echo from the guest | dd of=/dev/fd0 conv=sync,fsync');
  await eject({ id: 'floppy0' });
  return { status, written: readFileSync(filename).toString('latin1', 0, 14) };
}

/** Writes over the bad sector of a disk that reports errors, and then elsewhere. */
async function writeOverBadSector({ guest, state, events }) {
  const first = events.length;
  const across = await guest.run('dd if=/dev/zero of=/dev/vdc bs=1M count=24 conv=fsync 2>&1');
  const before = await guest.run('dd if=/dev/zero of=/dev/vdc bs=1M count=8 conv=fsync 2>&1');
  return {
    across,
    before: before.status,
    actions: events.slice(first).map(({ action }) => action),
    state: state.state,
  };
}

/** Reads 3 MiB under a limit of 1 MiB a second, and without. */
async function readUnderLimit({ guest }, blk) {
  blk.ioLimitsEnable('slow');
  const read = async (limits) => {
    blk.setIoLimits(limits);
    const { throttled } = blk.throttleInfo().read;
    const start = performance.now();
    await guest.must('echo 3 > /proc/sys/vm/drop_caches; head -c 3145728 /dev/vda > /dev/null');
    const milliseconds = performance.now() - start;
    return { milliseconds, throttled: blk.throttleInfo().read.throttled - throttled };
  };
  return { slow: await read({ 'bps-read': MiB }), free: await read({}) };
}

async function standStill({ guest, state }) {
  await stop();
  const stopped = state.state;
  await cont();
  return { stopped, alive: (await guest.run('true')).status === 0 };
}

/** Random data, which the guest then discards, behind its file system. */
async function discard({ guest }) {
  await guest.must('dd if=/dev/urandom of=/dev/vda bs=1M seek=28 count=1 conv=fsync');
  return guest.run(`blkdiscard -o ${28 * MiB} -l ${MiB} /dev/vda`);
}

const faultyImage = (name, more) =>
  faultyDisk(makeFile(folder, `${name}.img`, 32 * MiB), { name, sector: BAD_SECTOR, ...more });

const boot = await bootDisk();
const ide = await faultyImage('ide', { errno: EIO, werror: 'stop' });
const good = await directDisk(makeFile(folder, 'virtio.img', 32 * MiB), { name: 'virtio' });
const full = await faultyImage('full', { errno: ENOSPC, werror: 'enospc' });
const broken = await faultyImage('broken', { errno: EIO, werror: 'report' });
const filename = makeFile(folder, 'a.iso', 'medium A'.padEnd(64 * 1024));
const cdrom = await BlockBackend.open(
  { driver: 'raw', 'read-only': true, file: { driver: 'file', filename } },
  { name: 'cd' },
);
for (const { blk } of [ide, full, broken]) blk.iostatusEnable();

const floppyDrive = new BlockBackend({ name: 'fd', permissions: ['consistent-read', 'write'] });
let cd;
let floppy;
const machine = await startMachine({
  ide: { hda: boot, hdb: ide.blk },
  virtio: [good, full.blk, broken.blk],
  prepare: async (emulator) => {
    cd = await CdRom.attach(emulator, cdrom, { id: 'cd0' });
    floppy = await Floppy.attach(emulator, floppyDrive);
  },
  listener: process.env.GUEST_CONSOLE ? (text) => process.stderr.write(text) : undefined,
});
const { guest } = machine;
const seen = {
  media: await changeMedia(machine),
  floppy: await useFloppy(machine),
  discard: await discard(machine),
  virtio: await fileSystemRoundTrip(guest, '/dev/vda', 4),
  enospc: await stopAndMend(machine, '/dev/vdb', full),
  report: await writeOverBadSector(machine),
  ...(await readUnderLimit(machine, good)),
  ide: await fileSystemRoundTrip(guest, '/dev/sdb', 4),
  ideStop: await stopAndMend(machine, '/dev/sdb', ide),
  standStill: await standStill(machine),
};
await guest.powerOff();
await cd.detach();
await floppy.detach();
const ideIsWriteThrough = !ide.blk.writeCache;
for (const blk of [boot, ide.blk, good, full.blk, broken.blk, cdrom, floppyDrive])
  await blk.close();
const discarded = readFileSync(join(folder, 'virtio.img')).subarray(28 * MiB, 29 * MiB);
const discardedIsZero = discarded.every((byte) => byte === 0);
process.stdout.write(`${JSON.stringify({ ...seen, ideIsWriteThrough, discardedIsZero })}\n`);
