// What a guest left in its file system, seen by e2fsprogs.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';

const LIMIT = 2 ** 30;

/** Whether a full check finds nothing, and what it says. */
export function checkFileSystem(image) {
  const { status, stdout, error } = spawnSync('e2fsck', ['-f', '-n', image], { encoding: 'utf8' });
  return { isSound: status === 0, report: error?.message ?? stdout };
}

/** The MD5 digest of a file in the image. */
export function digestOf(image, path) {
  const { stdout } = spawnSync('debugfs', ['-R', `cat ${path}`, image], { maxBuffer: LIMIT });
  return createHash('md5').update(stdout).digest('hex');
}
