// The driver 'x-probe': any children with any roles, for tests of graphs.

import { environment } from '../aio/environment.js';
import { ChildRole } from '../aio/protocol.js';
import type {
  ChildDefinition,
  DriverDefinition,
  DriverOptions,
  OptionDefinition,
  OptionValue,
} from '../graph/driver-definition.js';
import { graph } from '../graph/graph.js';
import type { BlockNode } from '../graph/node.js';
import {
  defaultGrant,
  type Grant,
  isPermissionName,
  type ParentState,
  permissionBits,
} from '../graph/permissions.js';
import { magic } from '../graph/signature.js';
import { controlOf } from './node-control.js';

const MIB = 1024 ** 2;
const STORAGE = ChildRole.data | ChildRole.metadata | ChildRole.primary;
const FILTERED = ChildRole.filtered | ChildRole.primary;

const ROLES: Readonly<Record<string, number>> = {
  data: ChildRole.data,
  metadata: ChildRole.metadata,
  filtered: ChildRole.filtered,
  cow: ChildRole.cow,
  primary: ChildRole.primary,
};

/** Limits of the native node that can be set, by option and later. */
export const PROBE_LIMITS = [
  'request-alignment',
  'memory-alignment',
  'optimal-memory-alignment',
  'max-transfer',
  'opt-transfer',
  'max-iov',
  'opt-write-zero',
  'max-write-zero',
  'opt-discard',
  'max-discard',
] as const;

/** What it says when it is asked for block sizes and geometry; without them it has none. */
const PROBE_SIZES = [
  'physical-block-size',
  'logical-block-size',
  'cylinders',
  'heads',
  'sectors',
] as const;

/** A limit that an x-probe node can pretend to have. */
export type ProbeLimit = (typeof PROBE_LIMITS)[number];

const limitOptions = PROBE_LIMITS.map(
  (name): OptionDefinition => ({ name, type: 'integer' as const }),
);

const DRIVER = 'x-probe';
/** What an image begins with that is to be probed as one of this driver. */
const MAGIC = 'x-probe\n';

/** Writes what is allocated into the backing file, whose edge must allow it, and forgets it. */
export async function commitNode(node: BlockNode): Promise<void> {
  const { binding } = environment();
  const section = graph().drains.begin(() => [node]);
  try {
    await section.quiet();
    const commit = (slot: number, handle: number): void => binding.nodeCommit(slot, handle);
    await graph().control(node, commit, 'commit');
  } finally {
    section.end();
  }
}

const mediaCalls = new WeakMap<BlockNode, string[]>();

/** What guests did with tray and lock, in order: 'eject', 'load', 'lock', 'unlock'. */
export function mediaCallsOf(node: BlockNode): readonly string[] {
  return mediaCalls.get(node) ?? [];
}

function noteMediaCall(node: BlockNode, call: string): void {
  mediaCalls.set(node, [...mediaCallsOf(node), call]);
}

/** 'a, b' -> ['a', 'b'] */
function words(text: OptionValue | undefined): string[] {
  return String(text ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** The options below `group`, without its name: 'roles.file' -> ['file', ...]. */
function entriesBelow(options: DriverOptions, group: string): [child: string, text: string][] {
  const prefix = `${group}.`;
  return Object.entries(options)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [name.slice(prefix.length), String(value)]);
}

function roleBits(text: string): number {
  return words(text).reduce((bits, word) => bits | (ROLES[word] ?? 0), 0);
}

/** The children and their roles, in order. */
function rolesOf(options: DriverOptions): Map<string, number> {
  const roles = new Map<string, number>();
  for (const [child, text] of entriesBelow(options, 'roles')) roles.set(child, roleBits(text));
  if (options.filter === true) return roles.set('file', FILTERED);
  if (roles.size > 0) return roles;
  return new Map([
    ['file', STORAGE],
    ['backing', ChildRole.cow],
  ]);
}

function bitsFor(options: DriverOptions, group: string, child: string): number {
  return permissionBits(words(options[`${group}.${child}`]).filter(isPermissionName));
}

/** What its role gives, and what `take` and `unshare` add for it (TDRV-9). */
function grant(
  child: string,
  role: number,
  parents: Grant,
  state: ParentState,
  options: DriverOptions,
): Grant {
  const usual = defaultGrant(role, parents, state);
  return {
    permissions: usual.permissions | bitsFor(options, 'take', child),
    shared: usual.shared & ~bitsFor(options, 'unshare', child),
  };
}

function childDefinition(name: string, role: number, options: DriverOptions): ChildDefinition {
  return {
    name,
    required: options.filter === true && name === 'file',
    role: () => role,
    permissions: (parents, state, now) => grant(name, role, parents, state, now),
  };
}

function checkRoles(options: DriverOptions): string | undefined {
  for (const [child, text] of entriesBelow(options, 'roles')) {
    const unknown = words(text).find((word) => !Object.hasOwn(ROLES, word));
    const known = Object.keys(ROLES).join(', ');
    if (unknown !== undefined) return `'roles.${child}' has '${unknown}'; known: ${known}`;
  }
  const primary = [...rolesOf(options)].filter(([, role]) => (role & ChildRole.primary) !== 0);
  return primary.length > 1 ? 'only one child can be primary' : undefined;
}

function checkPermissions(options: DriverOptions, group: string): string | undefined {
  const roles = rolesOf(options);
  for (const [child, text] of entriesBelow(options, group)) {
    if (!roles.has(child)) return `'${group}.${child}' names a child that it cannot have`;
    const unknown = words(text).find((word) => !isPermissionName(word));
    if (unknown !== undefined) return `'${group}.${child}' has the unknown permission '${unknown}'`;
  }
  return undefined;
}

/**
 * For tests of graphs: it counts what it is asked, and holds and fails requests when told to (see
 * {@link Probe}). With a primary child it passes requests on; without one it keeps its bytes in
 * memory, in clusters of 64 KiB, over a backing file if it has one.
 *
 * | option                  | what                                                              |
 * |-------------------------|-------------------------------------------------------------------|
 * | roles                   | child -> 'data,metadata,filtered,cow,primary'; default: file and  |
 * |                         | backing, both optional                                            |
 * | filter                  | it filters `file`                                                 |
 * | take, unshare           | child -> 'consistent-read,write,write-unchanged,resize', added    |
 * | size, variable-length   | of the memory; the length is asked each time                      |
 * | fail                    | 'hook:errno:times,...', from the beginning                        |
 * | backing-filename        | what the header says: opened unless `backing` says otherwise      |
 * | note                    | nothing: something to reopen                                      |
 * | vmstate, compress       | it has a place for vmstate; it takes compressed writes            |
 * | scsi                    | it repeats SCSI commands as their data; refuses those that begin  |
 * |                         | with 2, with the command as sense                                 |
 * | physical-block-size ... | what it says of its sectors and geometry: PROBE_SIZES             |
 * | request-alignment, ...  | limits: PROBE_LIMITS                                              |
 */
export const xProbe: DriverDefinition = {
  name: 'x-probe',
  options: [
    { name: 'roles', type: 'string', group: true },
    { name: 'filter', type: 'boolean', default: false },
    { name: 'take', type: 'string', group: true },
    { name: 'unshare', type: 'string', group: true },
    { name: 'size', type: 'integer', default: MIB },
    { name: 'variable-length', type: 'boolean', default: false },
    { name: 'fail', type: 'string' },
    { name: 'backing-filename', type: 'string' },
    { name: 'note', type: 'string' },
    { name: 'vmstate', type: 'boolean' },
    { name: 'compress', type: 'boolean' },
    { name: 'truncate-zeroes', type: 'boolean' },
    { name: 'scsi', type: 'boolean' },
    ...PROBE_SIZES.map((name): OptionDefinition => ({ name, type: 'integer' })),
    ...limitOptions,
  ],
  children: [],
  moreChildren: (options) =>
    [...rolesOf(options)].map(([name, role]) => childDefinition(name, role, options)),
  signatures: [magic(MAGIC)],
  backingFilename: (node) => controlOf(node, DRIVER).text('header'),
  async setBackingName(node, name) {
    controlOf(node, DRIVER).ask('set-header', name);
  },
  commit: commitNode,
  eject: (node, open) => noteMediaCall(node, open ? 'eject' : 'load'),
  lockMedium: (node, locked) => noteMediaCall(node, locked ? 'lock' : 'unlock'),
  reopens: ['note', 'size', 'variable-length', ...PROBE_LIMITS],
  check: (options) =>
    checkRoles(options) ??
    checkPermissions(options, 'take') ??
    checkPermissions(options, 'unshare'),
};
