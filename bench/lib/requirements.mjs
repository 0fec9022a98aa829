// Why a side cannot run on this host: a program that is missing, too few descriptors, a file system
// without O_DIRECT.
import { accessSync, closeSync, constants, openSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const PACKAGES = { 'qemu-img': 'qemu-utils' };

export function isInstalled(program) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Node raises its limit to the hard one when it starts. */
function descriptorLimit() {
  const [, hard] = /^Max open files +\S+ +(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

function hasDirect(filename) {
  try {
    closeSync(openSync(filename, constants.O_RDONLY | constants.O_DIRECT));
    return true;
  } catch {
    return false;
  }
}

function missingOf({ needs = [], files = 0, direct }, images) {
  const program = needs.find((name) => !isInstalled(name));
  if (program !== undefined) {
    return `${program} not found (Debian: apt-get install ${PACKAGES[program] ?? program})`;
  }
  const limit = descriptorLimit();
  if (files > limit) return `needs ${files} descriptors, the limit (ulimit -Hn) is ${limit}`;
  if (direct && !hasDirect(images.read())) {
    return 'no O_DIRECT in the temporary folder (set TMPDIR to another)';
  }
  return undefined;
}

/** Undefined when both sides can run. */
export function missingFor({ ours, theirs }, images) {
  return missingOf(ours, images) ?? (theirs && missingOf(theirs, images));
}
