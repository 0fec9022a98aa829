import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { isCheckout } from '../../addon/locate.js';
import { packageRoot } from '../../package-root.js';
import { CliError } from '../shared/cli-error.js';
import { type BuildPackages, requirePackages, requirePrograms } from './needs.js';

/** Output goes to standard error: a compiler's is no result. */
function node(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 2, 2] });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function compile(root: string, packages: BuildPackages): Promise<number> {
  const options = ['--directory', root, '--out', join(root, 'build')];
  options.push('--log-level', 'warn', '--parallel', String(availableParallelism()));
  options.push('--target', 'block_backend');
  options.push(`--CDNODE_EXECUTABLE=${process.execPath}`);
  options.push(`--CDNODE_ADDON_API_DIR=${packages.nodeAddonApi}`);
  return node([join(packages.cmakeJs, 'bin/cmake-js'), 'rebuild', ...options]);
}

export async function runRebuild(): Promise<void> {
  const root = packageRoot();
  if (isCheckout(root)) throw new CliError('this is a checkout: run npm run build');
  requirePrograms(process.env);
  const packages = requirePackages(root, process.cwd());
  process.stderr.write('blk: compiling the addon, which takes minutes\n');
  const failed = await compile(root, packages);
  if (failed !== 0) throw new CliError('rebuild failed; the last lines above say why');
  // In a process of its own, since this one may have loaded what it replaces.
  const refused = await node(['-e', `require(${JSON.stringify(root)})`]);
  if (refused !== 0) throw new CliError('what was compiled does not load; the lines above say why');
  const path = join(relative(process.cwd(), root), 'build/Release/block_backend.node');
  process.stdout.write(`${path}: compiled and loaded\n`);
}
