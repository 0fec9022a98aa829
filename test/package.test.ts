import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { foreignEnv } from './support/tools';

const root = join(__dirname, '..');

/** Runs a CommonJS program that resolves the package as its users do, and parses what it prints. */
async function consumer(program: string, env = process.env): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], {
    cwd: root,
    env,
  });
  return JSON.parse(stdout);
}

describe('package', () => {
  test('package: ESM and CJS consumers load one native instance', async () => {
    const result = await consumer(`
      const opened = [];
      const { dlopen } = process;
      process.dlopen = (module, ...rest) => {
        opened.push(module.filename);
        return dlopen(module, ...rest);
      };
      const cjs = require('block-backend');
      import('block-backend').then((esm) => {
        const keys = Object.keys(cjs).sort();
        console.log(JSON.stringify({
          opened: opened.length,
          missing: keys.filter((key) => !(key in esm)),
          different: keys.filter((key) => esm[key] !== cjs[key]),
          version: cjs.version,
        }));
      });
    `);
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(result).toEqual({ opened: 1, missing: [], different: [], version });
  });

  // Whoever names a binary is served by node-gyp-build.
  const usual = process.env.BLOCK_BACKEND_PREBUILD === undefined;
  (usual ? test : test.skip)(
    'package: to open a disk, read and write it, nothing but the core of the package is loaded',
    async () => {
      const result = await consumer(`
      const { BlockBackend } = require('block-backend');
      const { basename } = require('node:path');
      const { mkdtempSync, rmSync, writeFileSync } = require('node:fs');
      const folder = mkdtempSync(require('node:os').tmpdir() + '/block-backend-core-');
      const filename = folder + '/disk.img';
      writeFileSync(filename, Buffer.alloc(65536));
      async function use() {
        const blk = await BlockBackend.open({ driver: 'raw', file: { driver: 'file', filename } });
        for (const buffer of [blk.allocate(4096), Buffer.alloc(512)]) {
          await blk.pread(0, buffer);
          await blk.pwrite(0, buffer);
          blk.preadSync(0, buffer);
          blk.pwriteSync(0, buffer);
        }
        await blk.pwriteZeroes(0, 4096);
        await blk.pdiscard(0, 4096);
        await blk.flush();
        await blk.close();
        rmSync(folder, { recursive: true });
        return Object.keys(require.cache).map((path) => basename(path)).sort();
      }
      use().then((loaded) => console.log(JSON.stringify(loaded)));
    `);
      expect(result).toEqual(['core.js', 'index.js']);
    },
  );

  test.each([
    ["open({ driver: 'none' })", 'graph/option-bag.ts', 'BlockError'],
    ["open({ driver: 'file', filename: '/none' })", 'errors/native-failure.ts', 'BlockError'],
    ['open(5)', 'errors/argument-errors.ts', 'TypeError'],
  ])(
    'package: the stack of what %s fails with leads to the lines of the source',
    async (call, file, name) => {
      const program = `
      require('block-backend').BlockBackend.${call}
        .catch(({ name, stack }) => console.log(JSON.stringify({ name, stack })));`;
      const result = await consumer(program, {
        ...process.env,
        NODE_OPTIONS: '--enable-source-maps',
      });
      const { stack } = result as { stack: string };
      expect(result).toMatchObject({ name });
      expect(stack).toContain(`/lib/${file}:`);
      const frames = [
        ...stack.matchAll(/at (?:async )?(?:\w+\.)?(#?\w+) \((\/.+?\/lib\/.+?):(\d+):/g),
      ];
      expect(frames.length).toBeGreaterThan(1);
      // Each frame but the first is in a line that calls the one above it.
      frames.slice(1).forEach(([, , path, line], i) => {
        const text = readFileSync(String(path), 'utf8').split('\n')[Number(line) - 1];
        expect(text).toMatch(new RegExp(`\\b${frames[i]?.[1]}\\(|await `));
      });
    },
  );

  test('package: an addon that cannot be loaded gives one error with the command that helps', async () => {
    const folder = join(root, 'no-such-folder');
    const message = await consumer(
      `try { require('block-backend'); } catch (error) { console.log(JSON.stringify(error.message)); }`,
      { ...process.env, BLOCK_BACKEND_PREBUILD: folder },
    );
    expect(message).toBe(
      `block-backend: cannot load the native addon: BLOCK_BACKEND_PREBUILD names ${folder}, ` +
        `which has none for linux-${process.arch}. ` +
        'To use the binary of the package, run: unset BLOCK_BACKEND_PREBUILD',
    );
  });

  test('package: the tarball has what users need, no install script and nothing else', async () => {
    const result = await consumer(
      `
      Promise.all([
        import('./scripts/pack/contents.mjs'),
        import('./scripts/pack/project.mjs'),
      ]).then(([{ contentFindings, manifestFindings, releaseFindings }, { packedFiles }]) => {
        const files = packedFiles();
        console.log(JSON.stringify({
          findings: [...contentFindings(files), ...manifestFindings(require('./package.json'))],
          spoilt: [
            ...contentFindings([...files, 'test/a.test.ts', '.env', 'dist/.stamp.json']),
            ...manifestFindings({ scripts: { install: 'x' }, dependencies: { 'cmake-js': '8' } }),
          ].length,
          release: releaseFindings({ version: '1.2.3' }, 'v1.2.4'),
          fit: releaseFindings({ version: '1.2.3', repository: 'x' }, 'v1.2.3'),
        }));
      });
    `,
      foreignEnv(),
    );
    expect(result).toEqual({
      findings: [],
      spoilt: 6,
      release: [
        'package.json has no "repository", which provenance needs: add the public address first',
        'the tag is v1.2.4, but package.json has version 1.2.3: expected v1.2.3',
      ],
      fit: [],
    });
  });
});
