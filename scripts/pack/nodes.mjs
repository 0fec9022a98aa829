// Node itself, of other versions and for other machines: the npm packages that `npx node@22` takes it from.
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inRoot } from '../lib/project.mjs';
import { capture, run } from '../lib/run.mjs';

/** What the package is tested with: every line that is maintained. */
export const NODE_MAJORS = [20, 22, 24, 26];

/** The path of a node for linux with glibc, or undefined if it cannot be had. */
export async function fetchNode(major, arch) {
  const folder = inRoot('cross/nodes', `${arch}-${major}`);
  const binary = join(folder, 'package/bin/node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  // Not installed, since npm refuses what is for another machine.
  const name = `node-linux-${arch}@${major}`;
  capture('npm', ['pack', '--silent', '--pack-destination', folder, name]);
  const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  if (!archive) return undefined;
  await run('tar', ['--extract', '--file', join(folder, archive), '--directory', folder]);
  return existsSync(binary) ? binary : undefined;
}
