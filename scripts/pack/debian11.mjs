// A root of Debian 11, the oldest system that the binaries support.
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { canInstall, install } from '../lib/apt.mjs';
import { inRoot, log } from '../lib/project.mjs';
import { capture, run, which } from '../lib/run.mjs';

const SUITE = 'bullseye';

/** The mirror that apt uses. */
function mirror() {
  const targets = capture('apt-get', ['indextargets', '--format', '$(REPO_URI)']) ?? '';
  return targets.split('\n').find((uri) => /\/debian\/?$/.test(uri));
}

async function makeRoot(folder) {
  if (!which('debootstrap') && canInstall()) await install(['debootstrap']);
  const from = mirror();
  if (!which('debootstrap') || !from) return 'debootstrap or a mirror of Debian cannot be had';
  log('pack', `Debian 11 into ${folder}`);
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const args = ['--variant=minbase', SUITE, fresh, from];
  if ((await run('debootstrap', args)) !== 0) return 'debootstrap failed';
  renameSync(fresh, folder);
  return undefined;
}

/** Copies the project there; resolves to { skip } or { command }. */
export async function debian11(project, node) {
  if (process.getuid() !== 0) return { skip: 'only root may make a Debian 11 root' };
  const folder = inRoot('cross/debian11');
  const reason = existsSync(folder) ? undefined : await makeRoot(folder);
  if (reason) return { skip: reason };
  const inside = '/srv/project';
  rmSync(join(folder, inside), { recursive: true, force: true });
  cpSync(project.folder, join(folder, inside), { recursive: true });
  cpSync(node, join(folder, 'usr/local/bin/node'));
  return { command: ['chroot', folder, '/usr/local/bin/node'], folder: inside };
}
