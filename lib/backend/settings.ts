// What a backend is made with, and what can be seen of it.

import type { AioContext } from '../aio/context.js';
import { Permission } from '../aio/protocol.js';
import type { BlockNode } from '../graph/node.js';
import { type Grant, type PermissionName, permissionBits } from '../graph/permissions.js';

/** What a backend is, beside its medium. */
export interface BackendSettings {
  /** Makes it known by this name, which nodes cannot have then. */
  readonly name?: string | undefined;
  /** Where it lives. Default: where its nodes live, else {@link AioContext.main}. */
  readonly context?: AioContext | undefined;
  /** Adds the permission to resize to the default ones. */
  readonly resize?: boolean | undefined;
  /** What it may do. Default: consistent-read, and write unless the medium is read-only. */
  readonly permissions?: readonly PermissionName[] | undefined;
  /** What others may do with the medium meanwhile. Default: everything. */
  readonly shared?: readonly PermissionName[] | undefined;
}

/** A frozen snapshot. */
export interface BackendInfo {
  readonly name: string;
  readonly context: string;
  /** Name of the root node; undefined without a medium. */
  readonly node: string | undefined;
  readonly inFlight: number;
  readonly parked: number;
  readonly quiesceCount: number;
  /** There is a medium, and requests can reach it. */
  readonly available: boolean;
  readonly permissions: readonly PermissionName[];
  readonly shared: readonly PermissionName[];
}

/** What a backend on `node` wants to hold; without a node and a wish, nothing (LC-10). */
export function wantedGrant(
  { permissions, shared, resize }: BackendSettings,
  node?: BlockNode,
): Grant {
  const write = node?.readOnly ? 0 : Permission.write;
  const byDefault = Permission.consistentRead | write | (resize ? Permission.resize : 0);
  return {
    permissions: permissions ? permissionBits(permissions) : node ? byDefault : 0,
    shared: shared ? permissionBits(shared) : Permission.all,
  };
}
