// Instructions in user mode, by the object that they lie in, by valgrind --tool=callgrind.
import { readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { timed } from '../lib/child.mjs';

/** Code that V8 made lies in no object. */
const NO_OBJECT = '???';

const PLACES = [
  [/^block_backend\.node$/, 'addon'],
  [/^node$/, 'Node and V8'],
  [/^(libc|libm|libstdc\+\+|libpthread|libgcc|ld-linux|vgpreload)/, 'C library'],
];

function placeOf(object) {
  if (object === NO_OBJECT) return 'JavaScript';
  const name = basename(object);
  return PLACES.find(([pattern]) => pattern.test(name))?.[1] ?? 'program';
}

/**
 * Sums the costs of a callgrind file by place. Objects are named once, '(3) /lib/libc.so.6', and then
 * by their number; the line after 'calls=' is what a call cost, which its callee has as well.
 */
export function parseCallgrind(text) {
  const objects = new Map();
  const counts = {};
  let place = placeOf(NO_OBJECT);
  let isCall = false;
  for (const line of text.split('\n')) {
    const [, id, name] = /^ob=(\(\d+\))(?: (.*))?$/.exec(line) ?? [];
    if (id !== undefined) {
      if (name !== undefined) objects.set(id, name);
      place = placeOf(objects.get(id) ?? NO_OBJECT);
      continue;
    }
    const [, callee, calleeName] = /^cob=(\(\d+\)) (.*)$/.exec(line) ?? [];
    if (callee !== undefined) objects.set(callee, calleeName);
    if (line.startsWith('calls=')) {
      isCall = true;
      continue;
    }
    const [, cost] = /^(?:[+-]\d+|\*|\d+|0x[\da-f]+) (\d+)$/.exec(line) ?? [];
    if (cost === undefined) continue;
    if (!isCall) counts[place] = (counts[place] ?? 0) + Number(cost);
    isCall = false;
  }
  return counts;
}

export async function instructions(folder, command) {
  const out = `${folder}/callgrind`;
  await timed('valgrind', ['-q', '--tool=callgrind', `--callgrind-out-file=${out}`, ...command]);
  const counts = parseCallgrind(readFileSync(out, 'utf8'));
  rmSync(out);
  return counts;
}
