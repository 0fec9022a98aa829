// What users of a node may do, and what they let others do (QEMU: BLK_PERM_*).

import { ChildRole, Permission } from '../aio/protocol.js';
import { invalidArgumentValue } from '../errors/argument-errors.js';

/** QAPI: BlockPermission. */
export type PermissionName = 'consistent-read' | 'write' | 'write-unchanged' | 'resize';

/** Bits of an edge: what its parent does, and what it lets others do. */
export interface Grant {
  readonly permissions: number;
  readonly shared: number;
}

/** What a child's permissions depend on beside its role. */
export interface ParentState {
  /** The parent node is not read-only. */
  readonly writable: boolean;
  /** The parent node is inactive: another process may be writing. */
  readonly inactive?: boolean;
  /** Nobody is going to look at its data. */
  readonly noIo?: boolean;
}

const { consistentRead: CR, write: W, writeUnchanged: WU, resize: RZ, all: ALL } = Permission;

/** A node that nobody uses (PERM-17). */
export const NO_GRANT: Grant = { permissions: 0, shared: ALL };

const BITS: Readonly<Record<PermissionName, number>> = {
  'consistent-read': CR,
  write: W,
  'write-unchanged': WU,
  resize: RZ,
};

export function isPermissionName(value: unknown): value is PermissionName {
  return typeof value === 'string' && Object.hasOwn(BITS, value);
}

/** @throws TypeError for a name that is none. */
export function permissionBits(names: readonly PermissionName[]): number {
  return names.reduce((bits, name) => {
    if (Object.hasOwn(BITS, name)) return bits | BITS[name];
    const known = Object.keys(BITS).join(', ');
    throw invalidArgumentValue('permissions', `made of ${known}`, name);
  }, 0);
}

export function permissionNames(bits: number): PermissionName[] {
  return (Object.keys(BITS) as PermissionName[]).filter((name) => (bits & BITS[name]) !== 0);
}

/** What all edges into a node need and share together (PERM-6). */
export function cumulative(edges: Iterable<Grant>): Grant {
  let { permissions, shared } = NO_GRANT;
  for (const edge of edges) {
    permissions |= edge.permissions;
    shared &= edge.shared;
  }
  return { permissions, shared };
}

/** One edge needs `bits` that another does not share. */
export interface Conflict<E extends Grant> {
  readonly needs: E;
  readonly refuses: E;
  readonly bits: number;
}

/** The first violation of: for every pair of edges, what one needs the other shares (PERM-4). */
export function findConflict<E extends Grant>(edges: readonly E[]): Conflict<E> | undefined {
  for (const refuses of edges) {
    for (const needs of edges) {
      const bits = needs.permissions & ~refuses.shared & ALL;
      if (needs !== refuses && bits !== 0) return { needs, refuses, bits };
    }
  }
  return undefined;
}

/** A filter passes on what its parents do (PERM-10). */
export function filterGrant(parents: Grant): Grant {
  return parents;
}

/** A backing file is only read, and may change where our users allow it (PERM-11). */
export function cowGrant({ permissions, shared }: Grant): Grant {
  const others = (shared & W) !== 0 ? W | RZ : 0;
  return { permissions: permissions & CR, shared: CR | WU | others };
}

/** A child that stores metadata, data or both (PERM-12, PERM-13). */
export function storageGrant(role: number, parents: Grant, { writable, noIo }: ParentState): Grant {
  let { permissions, shared } = filterGrant(parents);
  if ((role & ChildRole.metadata) !== 0) {
    permissions |= (noIo ? 0 : CR) | (writable ? W | RZ : 0);
    shared &= ~(W | RZ);
  }
  if ((role & ChildRole.data) !== 0) {
    shared &= ~RZ;
    if ((permissions & WU) !== 0) permissions |= W;
    if ((permissions & W) !== 0) permissions |= RZ;
  }
  return { permissions, shared };
}

/** The usual permissions on a child, by its role (QEMU: bdrv_default_perms). */
export function defaultGrant(role: number, parents: Grant, state: ParentState): Grant {
  if ((role & ChildRole.filtered) !== 0) return filterGrant(parents);
  const isCow = (role & ChildRole.cow) !== 0;
  const { permissions, shared } = isCow ? cowGrant(parents) : storageGrant(role, parents, state);
  // PERM-14: whoever writes meanwhile writes for us.
  return { permissions, shared: state.inactive ? shared | W | RZ : shared };
}
