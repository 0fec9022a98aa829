// The guest of the v86 demonstration and of the tests: SeaBIOS, SYSLINUX, Debian's kernel for old PCs
// and busybox, on a disk of 32 MiB, and beside it for machines that load a kernel by themselves. Made
// on first use and kept.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { canInstall, install } from '../lib/apt.mjs';
import { inRoot, log, main, UserError } from '../lib/project.mjs';
import { foreignEnv, which } from '../lib/run.mjs';
import { filesBelow, fingerprint, readStamp, writeStamp } from '../lib/stale.mjs';
import { modulesInOrder } from './modules.mjs';
import { unpackPackages } from './packages.mjs';

const DISK_BYTES = 32 * 1024 * 1024;
const DEBIAN = ['linux-image-686', 'busybox-static', 'seabios'];
const MODULES = [
  'crc32c_generic',
  'ata_piix',
  'sd_mod',
  'sr_mod',
  'virtio_pci',
  'virtio_blk',
  'floppy',
  'ext4',
];
const PROGRAMS = {
  syslinux: 'syslinux',
  mcopy: 'mtools',
  'mkfs.fat': 'dosfstools',
  cpio: 'cpio',
  debugfs: 'e2fsprogs', // for whoever looks at what the guest wrote
};
// The time stamp counter of a machine in JavaScript is what the host makes of it.
export const KERNEL_ARGUMENTS = 'console=ttyS0 quiet nokaslr mitigations=off tsc=reliable panic=-1';
const SYSLINUX = `DEFAULT guest\nLABEL guest\nKERNEL vmlinuz\nAPPEND initrd=initrd.gz ${KERNEL_ARGUMENTS}\n`;

const home = inRoot('node_modules/.cache/block-backend/guest');

function mustRun(program, args, options = {}) {
  const result = spawnSync(program, args, {
    cwd: home,
    env: foreignEnv(),
    maxBuffer: 2 ** 28,
    ...options,
  });
  if (result.status === 0) return result.stdout;
  throw new UserError(
    `${program} ${args.join(' ')} failed: ${String(result.error ?? result.stderr)}`,
  );
}

async function ensurePrograms() {
  const missing = () => Object.keys(PROGRAMS).filter((name) => !which(name));
  if (missing().length > 0 && canInstall()) {
    log(
      'guest',
      `installing ${missing()
        .map((name) => PROGRAMS[name])
        .join(' ')}`,
    );
    await install(missing().map((name) => PROGRAMS[name]));
  }
  if (missing().length === 0) return;
  const packages = missing().map((name) => PROGRAMS[name]);
  throw new UserError(`not found: ${missing().join(', ')}; install ${packages.join(' ')} first`);
}

const only = (folder, pattern) => {
  const found = readdirSync(folder).find((name) => pattern.test(name));
  if (!found) throw new UserError(`there is no ${pattern} in ${folder}`);
  return join(folder, found);
};

/** A compressed cpio archive with busybox, the modules and the first process. */
function makeInitramfs(unpacked, file) {
  const tree = join(home, 'tree');
  rmSync(tree, { recursive: true, force: true });
  for (const folder of ['bin', 'modules', 'proc', 'sys', 'dev', 'mnt', 'tmp']) {
    mkdirSync(join(tree, folder), { recursive: true });
  }
  copyFileSync(join(unpacked, 'bin/busybox'), join(tree, 'bin/busybox'));
  copyFileSync(inRoot('scripts/guest/init'), join(tree, 'init'));
  chmodSync(join(tree, 'init'), 0o755);
  const modules = modulesInOrder(MODULES, join(unpacked, 'lib/modules'));
  for (const path of modules) copyFileSync(path, join(tree, 'modules', basename(path)));
  const names = modules.map((path) => `${basename(path)}\n`).join('');
  writeFileSync(join(tree, 'modules/order'), names);
  const files = ['.', ...readdirSync(tree, { recursive: true })].join('\n');
  const archive = mustRun('cpio', ['-o', '-H', 'newc', '--quiet'], { cwd: tree, input: files });
  writeFileSync(file, mustRun('gzip', ['-9'], { input: archive }));
  rmSync(tree, { recursive: true });
}

/** A FAT file system without partitions, whose boot sector loads the kernel. */
function makeDisk({ kernel, initramfs }, file) {
  writeFileSync(join(home, 'syslinux.cfg'), SYSLINUX);
  writeFileSync(file, '');
  truncateSync(file, DISK_BYTES);
  mustRun('mkfs.fat', ['-F', '16', file]);
  mustRun('mcopy', ['-i', file, kernel, initramfs, 'syslinux.cfg', '::']);
  mustRun('syslinux', ['--install', file]);
}

/**
 * Paths of the parts: `{ disk, kernel, initramfs, bios, vgaBios }`. Takes seconds, and a network, the
 * first time.
 */
export async function guestImage() {
  const parts = {
    disk: join(home, 'boot.img'),
    kernel: join(home, 'vmlinuz'),
    initramfs: join(home, 'initrd.gz'),
    bios: join(home, 'bios.bin'),
    vgaBios: join(home, 'vgabios.bin'),
  };
  const stamp = join(home, 'stamp.json');
  const recipe = fingerprint(filesBelow('scripts/guest'));
  const isThere = Object.values(parts).every((path) => existsSync(path));
  if (isThere && readStamp(stamp).recipe === recipe) return parts;

  log('guest', `making one of the Debian packages ${DEBIAN.join(', ')}`);
  await ensurePrograms();
  const apt = join(home, 'apt');
  const unpacked = join(home, 'unpacked');
  rmSync(unpacked, { recursive: true, force: true });
  unpackPackages(DEBIAN, apt, unpacked);
  copyFileSync(join(unpacked, 'usr/share/seabios/bios-256k.bin'), parts.bios);
  copyFileSync(join(unpacked, 'usr/share/seabios/vgabios-stdvga.bin'), parts.vgaBios);
  copyFileSync(only(join(unpacked, 'boot'), /^vmlinuz/), parts.kernel);
  makeInitramfs(unpacked, parts.initramfs);
  makeDisk(parts, `${parts.disk}.new`);
  renameSync(`${parts.disk}.new`, parts.disk);
  for (const folder of [apt, unpacked]) rmSync(folder, { recursive: true });
  writeStamp(stamp, { recipe });
  return parts;
}

await main(import.meta, async () => {
  await guestImage();
});
