import { join } from 'node:path';
import { devDependencies } from '../../package.json';
import { InstalledPackage } from '../addon/installed-package';
import { blk } from '../support/blk';
import type { Ended } from '../support/ended';

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
});
