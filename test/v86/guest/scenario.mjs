// A real guest in v86 on our disks: one boot, one thing after the other; prints what it saw as JSON.
// Arguments: a folder for images, and the name of a scenario.
import { readFileSync } from 'node:fs';
import {
  BlockBackend,
  blockdevChangeMedium,
  blockdevReopen,
  cont,
  eject,
  stop,
} from 'block-backend';
import { CdRom } from 'block-backend/v86';
import {
  bootDisk,
  directDisk,
  faultyDisk,
  fileSystemRoundTrip,
  MiB,
  makeFile,
  startMachine,
} from './machine-room.mjs';

const [folder, scenario] = process.argv.slice(2);
const EIO = 5;
const ENOSPC = 28;
/** Inside a file of most of the disk. */
const BAD_SECTOR = (20 * MiB) / 512;

const listener = process.env.GUEST_CONSOLE ? (text) => process.stderr.write(text) : undefined;
const disk = (name, bytes) => makeFile(folder, name, bytes);

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
  const complaints = await guest.run('dmesg | grep -i "i/o error"');
  await guest.must('umount /mnt');
  return {
    ...stopped,
    events: events.slice(first).map(({ event, action }) => action ?? event),
    copied: /copied 0/.test(output),
    intact: read === wanted,
    complaints: complaints.output,
  };
}

const scenarios = {
  /** IDE: a file system past the page cache, a fault under werror=stop, media. */
  async ide() {
    const boot = await bootDisk();
    const image = disk('ide.img', 32 * MiB);
    const blk = await directDisk(image, { name: 'ide' });
    const cdrom = await BlockBackend.open(
      {
        driver: 'raw',
        'read-only': true,
        file: { driver: 'file', filename: makeFile(folder, 'a.iso', 'medium A'.padEnd(64 * 1024)) },
      },
      { name: 'cd' },
    );
    let cd;
    const machine = await startMachine({
      ide: { hda: boot, hdb: blk },
      prepare: async (emulator) => {
        cd = await CdRom.attach(emulator, cdrom, { id: 'cd0' });
      },
      listener,
    });
    const { guest, events } = machine;
    const roundTrip = await fileSystemRoundTrip(guest, '/dev/sdb', 4);

    const peek = async () => (await guest.run('head -c 8 /dev/sr0')).output;
    const media = [await peek()];
    const filename = makeFile(folder, 'b.iso', 'medium B'.padEnd(64 * 1024));
    await blockdevChangeMedium({ id: 'cd0', filename, format: 'raw' });
    media.push(await peek());
    await eject({ id: 'cd0' });
    media.push((await guest.run('head -c 8 /dev/sr0')).status);
    const moved = events.map((event) => event['tray-open']);

    await guest.powerOff();
    await cd.detach();
    const { writeCache } = blk;
    for (const each of [boot, blk, cdrom]) await each.close();
    return { roundTrip, media, moved, writeCache };
  },

  async ideStop() {
    const boot = await bootDisk();
    const faulty = await faultyDisk(disk('ide-stop.img', 32 * MiB), {
      name: 'bad',
      errno: EIO,
      sector: BAD_SECTOR,
      werror: 'stop',
    });
    faulty.blk.iostatusEnable();
    const machine = await startMachine({ ide: { hda: boot, hdb: faulty.blk }, listener });
    const result = await stopAndMend(machine, '/dev/sdb', faulty);
    await machine.guest.powerOff();
    for (const each of [boot, faulty.blk]) await each.close();
    return result;
  },

  /** virtio: throttled, werror=stop, werror=report, discard. */
  async virtio() {
    const boot = await bootDisk();
    const image = disk('virtio.img', 32 * MiB);
    const blk = await directDisk(image, { name: 'good' });
    const stopping = await faultyDisk(disk('stop.img', 32 * MiB), {
      name: 'stopping',
      errno: ENOSPC,
      sector: BAD_SECTOR,
      werror: 'enospc',
    });
    const reporting = await faultyDisk(disk('report.img', 32 * MiB), {
      name: 'reporting',
      errno: EIO,
      sector: BAD_SECTOR,
      werror: 'report',
    });
    const virtio = [blk, stopping.blk, reporting.blk];
    for (const each of virtio) each.iostatusEnable();
    const machine = await startMachine({ ide: { hda: boot }, virtio, listener });
    const { guest, state, events } = machine;
    const roundTrip = await fileSystemRoundTrip(guest, '/dev/vda', 4);
    const stopped = await stopAndMend(machine, '/dev/vdb', stopping);

    const before = events.length;
    const write = await guest.run('dd if=/dev/zero of=/dev/vdc bs=1M count=24 conv=fsync 2>&1');
    const around = await guest.run('dd if=/dev/zero of=/dev/vdc bs=1M count=8 conv=fsync 2>&1');
    const reported = {
      status: write.status,
      output: write.output,
      around: around.status,
      actions: events.slice(before).map(({ action }) => action),
      state: state.state,
      others: await fileSystemRoundTrip(guest, '/dev/vda', 2),
    };

    await guest.must('dd if=/dev/urandom of=/dev/vda bs=1M seek=16 count=1 conv=fsync');
    const zeroed = await guest.run('blkdiscard -o 16777216 -l 1048576 /dev/vda');

    blk.ioLimitsEnable('slow');
    blk.setIoLimits({ 'bps-read': MiB });
    const slowRead = async () => {
      const start = performance.now();
      await guest.must(
        'echo 3 > /proc/sys/vm/drop_caches; cat /dev/vda | head -c 3145728 > /dev/null',
      );
      return performance.now() - start;
    };
    const slow = { milliseconds: await slowRead(), throttled: blk.throttleInfo().read.throttled };
    blk.setIoLimits({});
    const free = { throttled: -blk.throttleInfo().read.throttled };
    await slowRead();
    free.throttled += blk.throttleInfo().read.throttled;

    await stop();
    const stoppedByOperator = state.state;
    await cont();
    const alive = (await guest.run('true')).status === 0;
    await guest.powerOff();
    for (const each of [boot, ...virtio]) await each.close();
    const discarded = readFileSync(image).subarray(16 * MiB, 17 * MiB);
    return {
      roundTrip,
      stopped,
      reported,
      discard: { status: zeroed.status, zero: discarded.every((byte) => byte === 0) },
      slow,
      free,
      stoppedByOperator,
      alive,
    };
  },
};

process.stdout.write(`${JSON.stringify(await scenarios[scenario]())}\n`);
