import { type HostFeatures, hostFeatures as probeHost } from './aio/host-features.js';
import { builtinDrivers } from './drivers/index.js';
import type { DrainSection } from './graph/drain.js';
import { registerDriver } from './graph/driver-definition.js';
import { graph } from './graph/graph.js';
import { native } from './native.js';

for (const driver of builtinDrivers) registerDriver(driver);

export {
  type AioChoice,
  AioContext,
  type AioContextInfo,
  type AioContextOptions,
  type AioHome,
  type SimOptions,
} from './aio/context.js';
export type { HostFeatures } from './aio/host-features.js';
export type { RequestCallback } from './aio/slots.js';
export type { AioForms, AioRequest } from './backend/aio-forms.js';
export type { ByteCount } from './backend/arguments.js';
export type {
  PreallocationMode,
  RequestOptions,
  TruncateOptions,
  WriteOptions,
  ZeroOptions,
} from './backend/options.js';
export type { BackendInfo, BackendSettings } from './backend/settings.js';
export { BlockBackend } from './block-backend.js';
export { AbortError, BlockError, BlockUsageError } from './errors/block-error.js';
export type { DrainSection } from './graph/drain.js';
export type { BlockNode, BlockNodeInfo } from './graph/node.js';
export type { BlockdevOptions, CacheOptions } from './graph/options.js';
export type { PermissionName } from './graph/permissions.js';
export type { DeviceOps } from './graph/root.js';

/** The version of the package. */
export const version: string = native.version;

/** What this host offers: engine, reason, ring flags, kernel. Found by trying, once per process. */
export function hostFeatures(): HostFeatures {
  return probeHost(native);
}

/**
 * A drained section over all nodes and all backends of this environment, those without a medium
 * included: like {@link BlockBackend.drained}. (bdrv_drain_all_begin)
 */
export async function drainedAll(): Promise<DrainSection> {
  const section = graph().drainAll();
  await section.quiet();
  return section;
}
