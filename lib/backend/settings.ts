// What a backend is made with, and what can be seen of it.

import { type AccountingSettings, checkAccountingSettings } from '../accounting/accounting.js';
import { AioContext } from '../aio/context.js';
import { Permission } from '../aio/protocol.js';
import { invalidArgumentType, invalidArgumentValue } from '../errors/argument-errors.js';
import type { BlockNode } from '../graph/node.js';
import {
  type Grant,
  isPermissionName,
  type PermissionName,
  permissionBits,
} from '../graph/permissions.js';
import { checkErrorPolicySettings, type ErrorPolicySettings } from './error-policy.js';

/** What a backend is, beside its medium. */
export interface BackendSettings extends AccountingSettings, ErrorPolicySettings {
  /** Makes it known by this name, which nodes cannot have then. */
  readonly name?: string | undefined;
  /** Its requests are accounted: see `blk.accountRequests`. Default false. */
  readonly accountRequests?: boolean | undefined;
  /** Where it lives. Default: where its nodes live, else {@link AioContext.main}. */
  readonly context?: AioContext | undefined;
  /** Adds the permission to resize to the default ones. */
  readonly resize?: boolean | undefined;
  /**
   * Neither reads nor writes by default, and nodes that are opened with it look at nothing but what
   * describes their images (PERM-12). (BDRV_O_NO_IO)
   */
  readonly noIo?: boolean | undefined;
  /** By default others may only read and write what is there already. (BDRV_O_NO_SHARE) */
  readonly noShare?: boolean | undefined;
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

function checkPermissions(name: string, value: unknown): void {
  if (value === undefined) return;
  if (!Array.isArray(value)) throw invalidArgumentType(name, 'an array of permissions', value);
  for (const permission of value) {
    if (isPermissionName(permission)) continue;
    throw invalidArgumentValue(name, `an array of permissions`, permission);
  }
}

/** @throws TypeError ERR_INVALID_ARG_* */
export function checkSettings(settings: BackendSettings): void {
  if (typeof settings !== 'object' || settings === null) {
    throw invalidArgumentType('settings', 'an object', settings);
  }
  const { name, context, permissions, shared } = settings;
  if (name !== undefined && typeof name !== 'string') {
    throw invalidArgumentType('settings.name', 'of type string', name);
  }
  if (context !== undefined && !(context instanceof AioContext)) {
    throw invalidArgumentType('settings.context', 'an AioContext', context);
  }
  for (const flag of ['resize', 'noIo', 'noShare', 'accountRequests'] as const) {
    const value: unknown = settings[flag];
    if (value === undefined || typeof value === 'boolean') continue;
    throw invalidArgumentType(`settings.${flag}`, 'of type boolean', value);
  }
  checkAccountingSettings(settings);
  checkErrorPolicySettings(settings);
  checkPermissions('settings.permissions', permissions);
  checkPermissions('settings.shared', shared);
}

/** What a backend on `node` wants to hold; without a node and a wish, nothing (LC-10). */
export function wantedGrant(
  { permissions, shared, resize, noIo, noShare }: BackendSettings,
  node?: BlockNode,
): Grant {
  const write = node?.readOnly ? 0 : Permission.write;
  const io = noIo ? 0 : Permission.consistentRead | write;
  const byDefault = io | (resize ? Permission.resize : 0);
  const sharedByDefault = noShare
    ? Permission.consistentRead | Permission.writeUnchanged
    : Permission.all;
  return {
    permissions: permissions ? permissionBits(permissions) : node ? byDefault : 0,
    shared: shared ? permissionBits(shared) : sharedByDefault,
  };
}
