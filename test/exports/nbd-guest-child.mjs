// A guest of QEMU with one disk, an NBD export: makes a file system, writes, verifies, discards, and
// prints what it saw as JSON. Arguments: the socket, the export, mebibytes of a file. GUEST_CONSOLE=1
// shows its console.
import { QemuGuest } from '../../scripts/guest/qemu.mjs';

const [path, name, size] = process.argv.slice(2);
const MEBIBYTES = Number(size);
const DISK = '/dev/vda';
/** Of the file system; what comes behind it is used as it is. */
const FILE_SYSTEM_KIB = 48 * 1024;
const BEHIND = { block: 48, blocks: 4 };

const digestOf = async (guest, file) => (await guest.must(`md5sum ${file}`)).split(' ')[0];
const forget = 'sync; echo 3 > /proc/sys/vm/drop_caches';

async function writeAndVerify(guest) {
  await guest.must(`mke2fs -q -b 1024 ${DISK} ${FILE_SYSTEM_KIB} && mount -t ext4 ${DISK} /mnt`);
  await guest.must(`dd if=/dev/urandom of=/mnt/data bs=64k count=${MEBIBYTES * 16} && sync`);
  const written = await digestOf(guest, '/mnt/data');
  await guest.must(`${forget}; umount /mnt && mount -t ext4 ${DISK} /mnt`);
  return { written, read: await digestOf(guest, '/mnt/data') };
}

/** Several at a time, so that the disk's queue has some depth. */
async function writeTogether(guest) {
  const copies = [1, 2, 3];
  const commands = copies.map((at) => `cp /mnt/data /mnt/copy${at} &`).join(' ');
  await guest.must(`${commands} wait; ${forget}`);
  const digests = [];
  for (const at of copies) digests.push(await digestOf(guest, `/mnt/copy${at}`));
  return digests;
}

/** What is deleted is given back; what is not stays. */
async function deleteAndTrim(guest) {
  await guest.must('rm /mnt/copy1 /mnt/copy2 && sync');
  const said = await guest.must('fstrim -v /mnt');
  await guest.must(forget);
  const kept = [await digestOf(guest, '/mnt/data'), await digestOf(guest, '/mnt/copy3')];
  return { trimmed: Number(/(\d+) bytes/.exec(said)?.[1] ?? 0), kept };
}

async function discardBehind(guest) {
  const { block, blocks } = BEHIND;
  const range = `bs=1M count=${blocks}`;
  const digest = async (source) =>
    (await guest.must(`${forget}; dd ${source} ${range} 2> /dev/null | md5sum`)).split(' ')[0];
  await guest.must(`dd if=/dev/urandom of=${DISK} ${range} seek=${block} && sync`);
  const before = await digest(`if=${DISK} skip=${block}`);
  await guest.must(`blkdiscard -o ${block << 20} -l ${blocks << 20} ${DISK}`);
  const after = await digest(`if=${DISK} skip=${block}`);
  const zeroes = await digest('if=/dev/zero');
  return { wasZero: before === zeroes, isZero: after === zeroes };
}

const listener =
  process.env.GUEST_CONSOLE === '1' ? (line) => process.stderr.write(line) : undefined;
const guest = await QemuGuest.boot({
  listener,
  accelerator: process.env.GUEST_ACCELERATOR,
  devices: [
    '-blockdev',
    `driver=nbd,node-name=disk,server.type=unix,server.path=${path},export=${name},discard=unmap`,
    '-device',
    'virtio-blk-pci,drive=disk,discard=on,write-zeroes=on',
  ],
});
try {
  const { written, read } = await writeAndVerify(guest);
  const copies = await writeTogether(guest);
  const { trimmed, kept } = await deleteAndTrim(guest);
  await guest.must('umount /mnt');
  const discarded = await discardBehind(guest);
  const { accelerator } = guest;
  await guest.powerOff();
  console.log(JSON.stringify({ accelerator, written, read, copies, trimmed, kept, discarded }));
} catch (error) {
  await guest.destroy();
  throw error;
}
