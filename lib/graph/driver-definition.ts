// What lib/ knows about a driver: a short declaration per driver, in lib/drivers/.

import type { Grant, ParentState } from './permissions.js';

export type OptionValue = boolean | number | string;
export type DriverOptions = Readonly<Record<string, OptionValue>>;

export interface OptionDefinition {
  /** QAPI's name, with dots: 'cache.direct'. */
  readonly name: string;
  readonly type: 'boolean' | 'integer' | 'string';
  /** Absent and not required: not passed to native/. */
  readonly default?: OptionValue;
  readonly required?: boolean;
  /** The only values of a string. */
  readonly values?: readonly string[];
}

export interface ChildDefinition {
  /** 'file', 'backing' ... */
  readonly name: string;
  readonly required: boolean;
  /** ChildRole bits. */
  role(options: DriverOptions): number;
  /** Default: by role (defaultGrant). */
  permissions?(parents: Grant, state: ParentState, options: DriverOptions): Grant;
}

export interface DriverDefinition {
  /** QAPI's BlockdevDriver. */
  readonly name: string;
  readonly options: readonly OptionDefinition[];
  /** Common options that native/ wants to see as well. */
  readonly passes?: readonly 'cache.direct'[];
  readonly children: readonly ChildDefinition[];
  /** A sentence about options that do not go together. */
  check?(options: DriverOptions): string | undefined;
  /** Successful reads leave the buffer as it was. */
  leavesReadBuffers?(options: DriverOptions): boolean;
}

const definitions = new Map<string, DriverDefinition>();

/** Makes a driver known to this environment; a later definition replaces an earlier one. */
export function registerDriver(definition: DriverDefinition): void {
  definitions.set(definition.name, definition);
}

export function findDriver(name: string): DriverDefinition | undefined {
  return definitions.get(name);
}

export function driverNames(): string[] {
  return [...definitions.keys()].sort();
}
