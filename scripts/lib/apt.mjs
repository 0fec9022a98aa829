// Debian packages.
import { capture, run, which } from './run.mjs';

/** The prefix that runs apt-get with the needed rights, or undefined if nobody grants them. */
function privilege() {
  if (!which('apt-get')) return undefined;
  if (process.getuid() === 0) return [];
  if (which('sudo') && capture('sudo', ['-n', 'true']) !== undefined) return ['sudo', '-n'];
  return undefined;
}

export const canInstall = () => privilege() !== undefined;

/** Installs the packages and says whether that worked. */
export async function install(packages) {
  const prefix = privilege();
  if (prefix === undefined) return false;
  const aptGet = (...args) => {
    const [command, ...rest] = [
      ...prefix,
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      '-qq',
      '-o',
      'DPkg::Lock::Timeout=300',
      ...args,
    ];
    return run(command, rest);
  };
  const add = () => aptGet('install', '-y', '--no-install-recommends', ...packages);
  // The package lists may be missing or old; refreshing them costs more than trying first.
  if ((await add()) === 0) return true;
  await aptGet('update');
  return (await add()) === 0;
}
