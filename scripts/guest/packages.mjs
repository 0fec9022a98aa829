// Debian packages of another architecture, unpacked into a folder: an apt with a state of its own, so
// that the machine keeps its architectures and its packages.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../lib/project.mjs';
import { foreignEnv } from '../lib/run.mjs';

const ARCHITECTURE = 'i386';

/** An apt whose state is in `folder`: runs its programs there and gives what they print. */
function aptIn(folder) {
  for (const part of ['state/lists/partial', 'archives/partial']) {
    mkdirSync(join(folder, part), { recursive: true });
  }
  writeFileSync(join(folder, 'status'), '');
  const settings = [
    `APT::Architecture=${ARCHITECTURE}`,
    `APT::Architectures=${ARCHITECTURE}`,
    'APT::Sandbox::User=root',
    `Dir::State=${folder}/state`,
    `Dir::State::status=${folder}/status`,
    `Dir::Cache=${folder}`,
  ].flatMap((setting) => ['-o', setting]);
  return (program, ...args) => {
    const options = { cwd: folder, encoding: 'utf8', env: foreignEnv() };
    const { status, stdout, error } = spawnSync(program, [...settings, ...args], options);
    if (error) throw new UserError('the guest is made of Debian packages, which needs apt');
    return status === 0 ? stdout : undefined;
  };
}

/** What a package without content stands for: linux-image-686 is the newest kernel. */
function contentOf(apt, name) {
  const kernel = /^ +Depends: (\S+)/m.exec(apt('apt-cache', 'depends', '--important', name) ?? '');
  return name.startsWith('linux-image') ? kernel?.[1] : name;
}

/** Unpacks packages into `target`; `folder` is apt's, and can be removed afterwards. */
export function unpackPackages(names, folder, target) {
  const apt = aptIn(folder);
  // Sources without this architecture fail, which is none of our business.
  apt('apt-get', '-qq', 'update');
  mkdirSync(target, { recursive: true });
  for (const name of names) {
    const wanted = contentOf(apt, name);
    if (!wanted || apt('apt-get', '-qq', 'download', wanted) === undefined) {
      throw new UserError(`apt cannot download ${name} for ${ARCHITECTURE}: is there a network?`);
    }
  }
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
    const archive = join(folder, file);
    if (spawnSync('dpkg-deb', ['-x', archive, target], { env: foreignEnv() }).status !== 0) {
      throw new UserError(`dpkg-deb cannot unpack ${archive}`);
    }
    rmSync(archive);
  }
}
