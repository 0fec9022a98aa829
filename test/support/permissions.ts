// What edges hold, in words that fit into a line.
import { graphDump, type PermissionName } from '../../lib/index.js';

const SHORT: Readonly<Record<PermissionName, string>> = {
  'consistent-read': 'CR',
  write: 'W',
  'write-unchanged': 'WU',
  resize: 'RZ',
};

/** 'CR W WU RZ' -> their names. */
export function permissions(words: string): PermissionName[] {
  const names = Object.keys(SHORT) as PermissionName[];
  return names.filter((name) => words.split(' ').includes(SHORT[name]));
}

export const EVERYTHING = permissions('CR W WU RZ');

function short(names: readonly PermissionName[]): string {
  return names.length === EVERYTHING.length ? 'ALL' : names.map((name) => SHORT[name]).join(' ');
}

/**
 * What the edge from that parent to that child grants: [what it holds, what it shares]. A node is
 * known by its name; of backends without a name the first is taken.
 */
export function granted(parent: string, child: string): [string, string] {
  const edge = graphDump().edges.find((e) => e.parent.name === parent && e.child === child);
  if (edge === undefined) throw new Error(`no edge from '${parent}' to '${child}'`);
  return [short(edge.permissions), short(edge.shared)];
}
