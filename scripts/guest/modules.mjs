// Kernel modules and what they need, in the order in which they can be inserted.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UserError } from '../lib/project.mjs';

/** The modules that one says it needs, in its .modinfo section: zero-ended `key=value` strings. */
function needsOf(file) {
  const text = readFileSync(file, 'latin1');
  const list = /\0depends=([^\0]*)\0/.exec(text)?.[1] ?? '';
  return list.split(',').filter(Boolean);
}

/** Paths of the modules named, after all that they need. `folder`: where the kernel's modules are. */
export function modulesInOrder(names, folder) {
  const paths = new Map(
    readdirSync(folder, { recursive: true })
      .filter((path) => path.endsWith('.ko'))
      .map((path) => [basename(path, '.ko').replaceAll('-', '_'), join(folder, path)]),
  );
  const ordered = new Set();
  const visit = (name) => {
    const path = paths.get(name.replaceAll('-', '_'));
    if (path === undefined) throw new UserError(`the kernel has no module ${name}`);
    if (ordered.has(path)) return;
    for (const needed of needsOf(path)) visit(needed);
    ordered.add(path);
  };
  for (const name of names) visit(name);
  return [...ordered];
}
