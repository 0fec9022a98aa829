// The package as its users get it: packed, and installed into an empty project by an npm that finds no
// compiler, no Python and no shell tools, and may run no script of any package.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { buildTypeScript } from '../build.mjs';
import { inRoot, root, UserError } from '../lib/project.mjs';
import { capture, run, which } from '../lib/run.mjs';

/** npm without its shell script, so that it runs with any PATH. */
export function npmProgram() {
  const npm = which('npm');
  if (!npm) throw new UserError('npm not found');
  return realpathSync(npm);
}

const npm = (args, options) => run(process.execPath, [npmProgram(), ...args], options);

/** Makes the tarball and returns its path. */
export async function pack(folder) {
  await buildTypeScript();
  mkdirSync(folder, { recursive: true });
  const args = [npmProgram(), 'pack', '--ignore-scripts', '--silent', '--pack-destination', folder];
  const name = capture(process.execPath, args);
  if (!name) throw new UserError('npm pack failed');
  return join(folder, name);
}

/** The files of the tarball, as paths in the package. */
export function packedFiles() {
  const args = [npmProgram(), 'pack', '--ignore-scripts', '--dry-run', '--json'];
  const text = capture(process.execPath, args);
  if (!text) throw new UserError('npm pack --dry-run failed');
  return JSON.parse(text)[0].files.map(({ path }) => path);
}

/** A PATH with nothing but what npm itself starts. */
function barePath(folder) {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const name of ['sh', 'env']) symlinkSync(realpathSync(which(name)), join(bin, name));
  return bin;
}

export class Project {
  constructor(folder) {
    this.folder = join(folder, 'project');
    mkdirSync(this.folder);
    this.path = barePath(folder);
    this.package = join(this.folder, 'node_modules/block-backend');
  }

  /** Runs npm in the project; resolves to its exit code. */
  npm(args, env = {}) {
    return npm(args, { cwd: this.folder, env: { ...this.env(), ...env } });
  }

  /** Nothing of a developer's: neither tools nor switches of this package. */
  env(path = this.path) {
    return { PATH: path, LIBC: '', BLOCK_BACKEND_PREBUILD: '', PREBUILDS_ONLY: '' };
  }

  /** Has the installed package a file, given by its path in the checkout? */
  has(file) {
    return existsSync(join(this.package, relative(root, file)));
  }

  async install(tarball) {
    const manifest = { name: 'consumer', version: '1.0.0', private: true };
    writeFileSync(join(this.folder, 'package.json'), JSON.stringify(manifest));
    for (const file of ['consumer.cjs', 'consumer.mjs']) {
      copyFileSync(inRoot('scripts/pack', file), join(this.folder, file));
    }
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
    if ((await this.npm(['install', '--ignore-scripts', ...quiet, tarball])) !== 0) {
      throw new UserError(`npm cannot install ${tarball}`);
    }
  }
}

/** Packs, unless a tarball is given, and installs it; the folder is the caller's to remove. */
export async function installedProject(tarball) {
  const folder = mkdtempSync(join(tmpdir(), 'block-backend-pack-'));
  const project = new Project(folder);
  await project.install(tarball ?? (await pack(folder)));
  return { folder, project };
}
