import { mkdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findAddon } from '../../lib/addon/locate.js';
import { usualPlace } from '../../lib/addon/usual-place.js';
import { version } from '../../package.json';
import { InstalledPackage } from './installed-package';

const OTHER =
  process.arch === 'x64' ? { name: 'arm64', machine: 183 } : { name: 'x64', machine: 62 };
const PREFIX = 'block-backend: cannot load the native addon:';

/** Replaces a name in a binary by one of the same length, wherever it stands. */
function renameInside(path: string, from: string, to: string): void {
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) {
    bytes.write(to, at, 'latin1');
  }
  writeFileSync(path, bytes);
}

/** The hash by which the loader compares versions of symbols (System V ABI, "Hash Table"). */
function elfHash(name: string): number {
  let hash = 0;
  for (const char of name) {
    hash = ((hash << 4) + char.charCodeAt(0)) >>> 0;
    const high = hash & 0xf0000000;
    if (high !== 0) hash ^= high >>> 24;
    hash = (hash & ~high) >>> 0;
  }
  return hash;
}

/** Makes the binary need a version of glibc that nobody has. */
function needVersion(path: string, from: string, to: string): void {
  renameInside(path, `${from}\0`, `${to}\0`);
  const bytes = readFileSync(path);
  const hash = Buffer.alloc(4);
  hash.writeUInt32LE(elfHash(from));
  for (let at = bytes.indexOf(hash); at >= 0; at = bytes.indexOf(hash, at + 4)) {
    bytes.writeUInt32LE(elfHash(to), at);
  }
  writeFileSync(path, bytes);
}

describe('load', () => {
  let installed: InstalledPackage;
  beforeAll(() => {
    installed = new InstalledPackage();
  });
  beforeEach(() => {
    installed.restore();
  });
  afterAll(() => {
    installed[Symbol.dispose]();
  });

  test('load: a prebuilt binary that fits is loaded', async () => {
    expect(await installed.load()).toBe(version);
  });

  /** What `body` gives with this variable set, or unset. */
  function withVariable<T>(name: string, value: string | undefined, body: () => T): T {
    const { [name]: before } = process.env;
    const set = (to: string | undefined): void => {
      if (to === undefined) delete process.env[name];
      else process.env[name] = to;
    };
    set(value);
    try {
      return body();
    } finally {
      set(before);
    }
  }

  // Instrumented runs name a binary.
  const place = (): string | undefined =>
    withVariable('BLOCK_BACKEND_PREBUILD', undefined, () => usualPlace(installed.root));
  const found = (): string | undefined =>
    withVariable('BLOCK_BACKEND_PREBUILD', undefined, () => findAddon(installed.root));

  test('load: a binary at its usual place is the one that node-gyp-build finds', () => {
    expect(place()).toBe(installed.addon);
    expect(found()).toBe(installed.addon);
    const compiled = join(installed.root, 'build/Release/block_backend.node');
    mkdirSync(dirname(compiled), { recursive: true });
    // Compiled in another way, say: only node-gyp-build knows.
    expect(place()).toBeUndefined();
    writeFileSync(compiled, '');
    expect(place()).toBe(compiled);
    expect(found()).toBe(compiled);
  });

  test.each(['BLOCK_BACKEND_PREBUILD', 'LIBC', 'PREBUILDS_ONLY', 'npm_config_arch'])(
    'load: with %s set, only node-gyp-build says where the binary is',
    (name) => {
      expect(withVariable(name, 'other', () => usualPlace(installed.root))).toBeUndefined();
    },
  );

  test('load: no binary for the platform names those that there are, and the command that compiles', async () => {
    const platform = dirname(installed.addon);
    renameSync(platform, join(platform, '../linux-riscv64'));
    expect(await installed.load()).toBe(
      `${PREFIX} no binary for linux-${process.arch} (glibc); there is linux-riscv64 (glibc). ` +
        'To compile it here, run: npx blk rebuild',
    );
  });

  test('load: no binary where BLOCK_BACKEND_PREBUILD points says so', async () => {
    const env = { BLOCK_BACKEND_PREBUILD: '/nowhere' };
    expect(await installed.load({ env })).toBe(
      `${PREFIX} BLOCK_BACKEND_PREBUILD names /nowhere, which has none for linux-${process.arch}. ` +
        'To use the binary of the package, run: unset BLOCK_BACKEND_PREBUILD',
    );
  });

  test('load: a binary for the other C library names the variable that chose it', async () => {
    const musl = installed.addon.replace('.glibc.', '.musl.');
    renameSync(installed.addon, musl);
    renameInside(musl, 'libc.so.6', 'libc.mu.6');
    expect(await installed.load({ env: { LIBC: 'musl' } })).toBe(
      `${PREFIX} ${musl} is for musl, and this Node runs on glibc. ` +
        'To choose the other one, run: unset LIBC',
    );
  });

  test.each([
    ['half of it', 2],
    ['nothing', Number.POSITIVE_INFINITY],
  ])('load: a truncated binary (%s) is told, and does not end the process', async (_, divisor) => {
    const { length } = readFileSync(installed.addon);
    const left = Math.floor(length / divisor);
    truncateSync(installed.addon, left);
    expect(await installed.load()).toMatch(
      new RegExp(
        `^${PREFIX} ${installed.addon} is damaged: ${left} bytes, expected \\d+ or more\\. ` +
          `To install it again, run: rm -rf ${installed.root} && npm install$`,
      ),
    );
  });

  test('load: a damaged binary that was compiled here is compiled again', async () => {
    const compiled = join(installed.root, 'build/Release/block_backend.node');
    mkdirSync(dirname(compiled), { recursive: true });
    writeFileSync(compiled, 'no binary');
    expect(await installed.load()).toBe(
      `${PREFIX} ${compiled} is damaged: 9 bytes, expected 64 or more. ` +
        'To install it again, run: npx blk rebuild',
    );
  });

  test('load: a binary for another machine names both', async () => {
    const bytes = readFileSync(installed.addon);
    bytes.writeUInt16LE(OTHER.machine, 18);
    writeFileSync(installed.addon, bytes);
    expect(await installed.load()).toBe(
      `${PREFIX} ${installed.addon} is for ${OTHER.name}, this Node for ${process.arch}. ` +
        `To replace it, run: rm -rf ${installed.root} && npm install`,
    );
  });

  test('load: a glibc that is too old names the version that is missing', async () => {
    const [old = ''] = /GLIBC_2\.\d+/.exec(readFileSync(installed.addon, 'latin1')) ?? [];
    const future = `GLIBC_9${old.slice('GLIBC_2'.length)}`;
    needVersion(installed.addon, old, future);
    expect(await installed.load()).toMatch(
      new RegExp(
        `needs ${future}, which this system \\(glibc [\\d.]+\\) is too old for\\. ` +
          'To compile it here, run: npx blk rebuild$',
      ),
    );
  });

  test('load: a library that is missing is named', async () => {
    renameInside(installed.addon, 'libstdc++.so.6', 'libmissing.so6');
    expect(await installed.load()).toMatch(
      /cannot load the native addon: .*libmissing\.so6.* run: /,
    );
  });

  // Only root may mount.
  const isRoot = process.getuid?.() === 0;
  (isRoot ? test : test.skip)('load: a file system mounted noexec names the mount', async () => {
    const kept = join(installed.folder, 'kept.node');
    renameSync(installed.addon, kept);
    const folder = dirname(installed.addon);
    writeFileSync(
      join(installed.folder, 'run.sh'),
      `mount -t tmpfs -o noexec none ${folder} && cp ${kept} ${installed.addon} && exec "$@"`,
    );
    const launcher = ['unshare', '--mount', 'sh', join(installed.folder, 'run.sh')];
    expect(await installed.load({ launcher })).toBe(
      `${PREFIX} ${installed.addon} lies on a file system that is mounted noexec. ` +
        `To allow it, run: mount -o remount,exec "$(findmnt -no TARGET -T ${installed.addon})"`,
    );
  });
});
