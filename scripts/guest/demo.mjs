// The v86 demonstration: the guest's console, and between its lines what its disk does.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { BlockBackend } from 'block-backend';
import { IdeDisk, VirtioBlk } from 'block-backend/v86';
import { checkFileSystem, digestOf } from './ext2.mjs';
import { guestImage } from './image.mjs';
import { Guest } from './machine.mjs';

const MiB = 1024 * 1024;
const DISK = 64 * MiB;
const FILE_MIB = 16;
/** How fast the guest may read at first, and then. */
const SLOW = 2 * MiB;
const FAST = 8 * MiB;
const SLOW_SECONDS = 3.5;

const say = (text) => process.stdout.write(`--- ${text}\n`);

/** A line with what the disk did since the last one, once a second. */
function watch(blk) {
  let last = blk.stats;
  const timer = setInterval(() => {
    const now = blk.stats;
    const since = (name) => now[name] - last[name];
    const mib = (bytes) => (bytes / MiB).toFixed(1).padStart(5);
    const { throttled } = blk.throttleInfo().read;
    process.stdout.write(
      `    [drive0] read ${mib(since('rd_bytes'))} MiB/s, written ${mib(since('wr_bytes'))} MiB/s, ` +
        `${since('flush_operations')} flushes, ${throttled} requests waited so far\n`,
    );
    last = now;
  }, 1000);
  return () => clearInterval(timer);
}

/** The guest reads its file from the disk; after a while it may read faster. */
async function readWhileLimitChanges(guest, blk) {
  await guest.must('echo 3 > /proc/sys/vm/drop_caches');
  blk.ioLimitsEnable('guest');
  say(`the guest may read ${SLOW / MiB} MiB a second`);
  blk.setIoLimits({ 'bps-read': SLOW });
  const reading = guest.must('cat /mnt/data > /dev/null');
  await setTimeout(SLOW_SECONDS * 1000);
  say(`from now on it may read ${FAST / MiB} MiB a second`);
  blk.setIoLimits({ 'bps-read': FAST });
  await reading;
  blk.setIoLimits({});
}

/** Boots with both disks, and returns the digest of what the guest wrote when it has powered off. */
async function runGuest(boot, blk) {
  say('booting Linux from "boot" (IDE), with "drive0" as a virtio disk');
  const guest = await Guest.boot({
    disks: { hda: await IdeDisk.open(boot) },
    prepare: (emulator) => VirtioBlk.attach(emulator, blk, { serial: 'drive0' }),
    listener: (text) => process.stdout.write(text),
  });
  const unwatch = watch(blk);
  try {
    await guest.must('uname -a; mke2fs -q /dev/vda; mount -t ext2 /dev/vda /mnt; df -h /mnt');
    say(`the guest writes ${FILE_MIB} MiB`);
    await guest.must(`dd if=/dev/urandom of=/mnt/data bs=64k count=${FILE_MIB * 16} && sync`);
    const digest = (await guest.must('md5sum /mnt/data')).split(' ')[0];
    await readWhileLimitChanges(guest, blk);
    await guest.must('umount /mnt');
    say('the guest powers off');
    await guest.powerOff();
    return digest;
  } finally {
    unwatch();
  }
}

async function demonstrate(filename) {
  const { disk } = await guestImage();
  writeFileSync(filename, '');
  truncateSync(filename, DISK);
  const boot = await BlockBackend.open(
    { driver: 'raw', 'read-only': true, file: { driver: 'file', filename: disk } },
    { name: 'boot' },
  );
  const blk = await BlockBackend.open(
    { driver: 'raw', file: { driver: 'file', filename } },
    { name: 'drive0', accountRequests: true },
  );
  try {
    return await runGuest(boot, blk);
  } finally {
    await blk.close();
    await boot.close();
  }
}

const folder = mkdtempSync(join(tmpdir(), 'block-backend-v86-'));
try {
  const filename = join(folder, 'drive0.img');
  const digest = await demonstrate(filename);
  const { isSound, report } = checkFileSystem(filename);
  if (isSound && digestOf(filename, '/data') === digest) {
    say('the file system is sound, and holds what the guest wrote');
  } else {
    say(`what the guest wrote is NOT on its disk:\n${report}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}
