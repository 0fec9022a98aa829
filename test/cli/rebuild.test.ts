import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findAddon } from '../../lib/addon/locate';
import { devDependencies } from '../../package.json';
import { InstalledPackage } from '../addon/installed-package';
import { blk } from '../support/blk';
import type { Ended } from '../support/ended';

/** In the place of a compiler: its result is the file that COMPILED names. */
const COMPILER = `
  const { copyFileSync, mkdirSync } = require('node:fs');
  const folder = process.argv[process.argv.indexOf('--out') + 1] + '/Release';
  mkdirSync(folder, { recursive: true });
  copyFileSync(process.env.COMPILED, folder + '/block_backend.node');`;

/** Both packages that a compilation needs, until it is disposed of. */
function compilerIn(folder: string): Disposable {
  const packages = ['cmake-js', 'node-addon-api'].map((name) => join(folder, 'node_modules', name));
  for (const path of packages) {
    mkdirSync(join(path, 'bin'), { recursive: true });
    writeFileSync(join(path, 'package.json'), '{}');
    writeFileSync(join(path, 'bin/cmake-js'), COMPILER);
  }
  return {
    [Symbol.dispose]() {
      for (const path of packages) rmSync(path, { recursive: true });
    },
  };
}

describe('rebuild', () => {
  let installed: InstalledPackage;
  beforeAll(() => {
    installed = new InstalledPackage();
  });
  afterAll(() => {
    installed[Symbol.dispose]();
  });
  const rebuild = (env: NodeJS.ProcessEnv): Promise<Ended> =>
    installed.run([join(installed.root, 'dist/cli/main.js'), 'rebuild'], { env });

  test('rebuild: without a compiler it names what is missing, and how to install it', async () => {
    expect(await rebuild({ PATH: installed.folder, CXX: '' })).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^blk: rebuild needs cmake, make, g\+\+: run .*liburing.*\n$/),
    });
  });

  test('rebuild: without cmake-js and node-addon-api it gives the command that installs both', async () => {
    const wanted = (['cmake-js', 'node-addon-api'] as const)
      .map((name) => `${name}@${devDependencies[name].replace('^', '')}`)
      .join(' ');
    expect(await rebuild({})).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `blk: rebuild needs cmake-js and node-addon-api: run npm install --no-save ${wanted} and then npx blk rebuild\n`,
    });
  });

  test('rebuild: in a checkout it names the command that builds there', async () => {
    expect(await blk(['rebuild'])).toMatchObject({
      code: 1,
      stderr: 'blk: this is a checkout: run npm run build\n',
    });
  });

  test('rebuild: it says whether what was compiled loads', async () => {
    using _ = compilerIn(installed.folder);
    expect(await rebuild({ COMPILED: findAddon(join(__dirname, '../..')) })).toMatchObject({
      code: 0,
      stdout: 'node_modules/block-backend/build/Release/block_backend.node: compiled and loaded\n',
    });
    expect(await rebuild({ COMPILED: join(installed.root, 'package.json') })).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/\nblk: what was compiled does not load; .*\n$/),
    });
  });
});
