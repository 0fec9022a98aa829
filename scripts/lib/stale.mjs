// What is up to date. A stamp file next to the output holds the fingerprint of the inputs that made
// it: unlike a comparison of times, it also notices deleted files and changed options.
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { inRoot } from './project.mjs';

/** All files below the given project paths; a path that does not exist has none. */
export function filesBelow(...paths) {
  const found = [];
  const visit = (path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) {
      for (const name of readdirSync(path).sort()) visit(join(path, name));
    } else if (stat) {
      found.push(path);
    }
  };
  for (const path of paths) visit(inRoot(path));
  return found;
}

/** Changes whenever one of the files is edited, added or removed. */
export function fingerprint(files) {
  const hash = createHash('sha256');
  for (const file of files) {
    const stat = statSync(file, { throwIfNoEntry: false });
    hash.update(`${file}\0${stat?.mtimeMs}\0${stat?.size}\n`);
  }
  return hash.digest('hex');
}

/** The identity of an installed program: an upgrade changes it. */
export const programIdentity = (path) => fingerprint([realpathSync(path)]);

export function readStamp(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return {};
  }
}

export function writeStamp(file, content) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}

export const mtime = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
