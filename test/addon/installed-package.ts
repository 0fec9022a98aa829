// A copy of the built package as npm installs it, with a binary that a test may spoil.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findAddon } from '../../lib/addon/locate.js';
import { type Ended, endOf } from '../support/ended.js';
import { foreignEnv, nodeCommand } from '../support/tools.js';

const checkout = join(__dirname, '../..');

export class InstalledPackage {
  readonly folder = mkdtempSync(join(tmpdir(), 'block-backend-installed-'));
  readonly root = join(this.folder, 'node_modules/block-backend');
  /** The one that node-gyp-build chooses here. */
  readonly addon = join(this.root, `prebuilds/linux-${process.arch}/block-backend.napi.glibc.node`);

  constructor() {
    for (const name of ['dist', 'package.json']) {
      cpSync(join(checkout, name), join(this.root, name), { recursive: true });
    }
    mkdirSync(join(this.folder, 'node_modules'), { recursive: true });
    for (const name of ['commander', 'node-gyp-build', 'prom-client']) {
      symlinkSync(join(checkout, 'node_modules', name), join(this.folder, 'node_modules', name));
    }
  }

  /** Undoes what a test did to the binaries. */
  restore(): void {
    for (const name of ['prebuilds', 'build']) {
      rmSync(join(this.root, name), { recursive: true, force: true });
    }
    const built = findAddon(checkout);
    if (built === undefined) throw new Error('the addon is not built');
    mkdirSync(dirname(this.addon), { recursive: true });
    cpSync(built, this.addon);
  }

  /** Runs node in the project that the package is installed in. */
  run(
    args: readonly string[],
    { env = {}, launcher = [] }: { env?: NodeJS.ProcessEnv; launcher?: readonly string[] } = {},
  ): Promise<Ended> {
    const { BLOCK_BACKEND_PREBUILD: _, LIBC: __, ...inherited } = foreignEnv();
    const [program = process.execPath, ...first] = [...launcher, ...nodeCommand()];
    const options = { cwd: this.folder, env: { ...inherited, ...env } };
    return endOf(spawn(program, [...first, ...args], options));
  }

  /** What `require('block-backend')` fails with, or its version. */
  async load(options: Parameters<InstalledPackage['run']>[1] = {}): Promise<string> {
    const program = `
      try { console.log(require('block-backend').version); }
      catch (error) { console.log(error.message); }`;
    const { code, signal, stdout, stderr } = await this.run(['-e', program], options);
    if (code !== 0) throw new Error(`node ended with ${signal ?? code}: ${stderr}`);
    return stdout.trim();
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
