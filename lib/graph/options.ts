// From what users write to what is to be opened. Nothing is opened here, and everything that can be
// wrong with options alone is found here.

import { ChildRole } from '../aio/protocol.js';
import {
  type ChildDefinition,
  childrenOf,
  type DriverDefinition,
  type DriverOptions,
  driverNames,
  findDriver,
  type OptionDefinition,
  type OptionValue,
} from './driver-definition.js';
import { JSON_PREFIX } from './filename.js';
import type { CommonState, DetectZeroes, Inherited, NodeState } from './node-state.js';
import { OptionBag, type OptionInput, optionError } from './option-bag.js';

/** What every node can be given. */
export interface CommonOptions {
  /** A letter, then letters, digits, '-', '.', '_'; at most 31. Default: generated. */
  readonly 'node-name'?: string | undefined;
  /** Default: as the parent, false at the top. */
  readonly 'read-only'?: boolean | undefined;
  /**
   * Opens the image for writing only while somebody writes, so that an image that cannot be written
   * can be opened all the same. Default: as the parent, false at the top and on backing files.
   */
  readonly 'auto-read-only'?: boolean | undefined;
  /** What discards do. Default 'ignore', on children 'unmap'. */
  readonly discard?: 'ignore' | 'unmap' | undefined;
  /** Writes zeroes as such ('on'), and may deallocate for them ('unmap', needs discard=unmap). */
  readonly 'detect-zeroes'?: DetectZeroes | undefined;
  /** Others may do everything with the node meanwhile; needs read-only. */
  readonly 'force-share'?: boolean | undefined;
  /** Defaults: as the parent, false at the top. */
  readonly cache?: CacheOptions | undefined;
  readonly [option: string]: OptionInput | undefined;
}

/**
 * What to open, in QAPI's terms (BlockdevOptions): common options, the driver's own options, and
 * its children, each with options of its own or named by a string. Nested objects and dotted keys
 * ('file.filename') mean the same.
 */
export interface BlockdevOptions extends CommonOptions {
  readonly driver: string;
}

/** QAPI: BlockdevCacheOptions. */
export interface CacheOptions {
  /** Bypass the page cache (O_DIRECT). */
  readonly direct?: boolean | undefined;
  /** Ignore flushes: fast, and unsafe when the host fails. */
  readonly 'no-flush'?: boolean | undefined;
  readonly [option: string]: OptionInput | undefined;
}

export interface NodePlan {
  readonly driver: DriverDefinition;
  readonly name: string | undefined;
  readonly state: NodeState;
  readonly children: readonly ChildPlan[];
  /** For the native half alone: no option of the user's, and no part of the state. */
  readonly nativeOptions?: DriverOptions;
}

export interface ChildPlan {
  readonly definition: ChildDefinition;
  /** A name refers to a node that exists; null: there shall be none. */
  readonly node: NodePlan | string | null;
}

export const TOP: Inherited = {
  readOnly: false,
  autoReadOnly: false,
  direct: false,
  noFlush: false,
  forceShare: false,
  discardUnmap: false,
  mayWrite: true,
  noIo: false,
};

/** What `parent` hands to a child in this role (GRAPH-8). */
export function inheritedBy(role: number, parent: Inherited): Inherited {
  const child = { ...parent, discardUnmap: true };
  return (role & ChildRole.cow) === 0 ? child : { ...child, readOnly: true, autoReadOnly: false };
}

const PASSED = { 'cache.direct': 'direct', 'auto-read-only': 'autoReadOnly' } as const;
const DETECT_ZEROES: readonly DetectZeroes[] = ['off', 'on', 'unmap'];

/** May be omitted in a reopen, whatever they are (REOP-5). */
const COMMON_OPTIONS: readonly string[] = [
  'read-only',
  'auto-read-only',
  'cache.direct',
  'cache.no-flush',
  'force-share',
  'discard',
  'detect-zeroes',
];

/** A plan, or the name of a node that exists. @throws BlockError EINVAL */
export function parseOptions(input: string | BlockdevOptions): NodePlan | string {
  if (typeof input !== 'string') return parseObject(input);
  return input.startsWith(JSON_PREFIX) ? parseObject(parseJson(input)) : input;
}

/** The object in 'json:{...}'. @throws BlockError EINVAL */
export function parseJson(text: string): { readonly [name: string]: unknown } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.slice(JSON_PREFIX.length));
  } catch (cause) {
    throw optionError('', `the text after 'json:' is no JSON: ${String(cause)}`);
  }
  return checkObject(parsed);
}

function checkObject(input: unknown): { readonly [name: string]: unknown } {
  if (typeof input === 'object' && input !== null && !Array.isArray(input)) {
    return input as { readonly [name: string]: unknown };
  }
  throw optionError('', 'the options must be an object or a string');
}

function parseObject(input: unknown): NodePlan {
  return planNode(OptionBag.from(checkObject(input)), TOP);
}

/** @internal */
export function planNode(bag: OptionBag, inherited: Inherited): NodePlan {
  const driver = takeDriver(bag);
  const name = bag.takeString('node-name');
  const given = bag.given();
  const common = takeCommon(bag, inherited);
  // Before the children: they can depend on the options.
  const options = takeDriverOptions(bag, driver, common);
  const children: ChildPlan[] = [];
  for (const definition of childrenOf(driver, options)) {
    const node = planChild(bag, driver, definition, inheritedBy(definition.role(options), common));
    if (node !== undefined) children.push({ definition, node });
  }
  const unknown = bag.leftover();
  if (unknown !== undefined) {
    throw optionError(unknown, `is unknown to the driver '${driver.name}'`);
  }
  const problem = driver.check?.(options);
  if (problem !== undefined) throw optionError('', problem);
  const explicit = ownOptions(given, options);
  const state = { ...common, options, explicit, inactive: false };
  return { driver, name, state, children };
}

/** Of what was given, what concerns the node itself and not its children. */
export function ownOptions(given: DriverOptions, options: DriverOptions): DriverOptions {
  const own = ([name]: [string, OptionValue]): boolean =>
    COMMON_OPTIONS.includes(name) || Object.hasOwn(options, name);
  return Object.freeze(Object.fromEntries(Object.entries(given).filter(own)));
}

function takeDriver(bag: OptionBag): DriverDefinition {
  const name = bag.takeString('driver');
  if (name === undefined) throw optionError(bag.pathOf('driver'), 'is missing');
  const driver = findDriver(name);
  if (driver !== undefined) return driver;
  const known = driverNames().join(', ');
  throw optionError(bag.pathOf('driver'), `names the unknown driver '${name}'; known: ${known}`);
}

/** @internal */
export function takeCommon(bag: OptionBag, inherited: Inherited): CommonState {
  const readOnly = bag.takeBoolean('read-only');
  const discard = bag.takeString('discard', ['ignore', 'off', 'unmap', 'on']);
  const detectZeroes = bag.takeString('detect-zeroes', DETECT_ZEROES) ?? 'off';
  const common = {
    detectZeroes: detectZeroes as DetectZeroes,
    readOnly: readOnly ?? inherited.readOnly,
    mayWrite: readOnly === true ? false : inherited.mayWrite,
    noIo: inherited.noIo,
    autoReadOnly: bag.takeBoolean('auto-read-only') ?? inherited.autoReadOnly,
    direct: bag.takeBoolean('cache.direct') ?? inherited.direct,
    noFlush: bag.takeBoolean('cache.no-flush') ?? inherited.noFlush,
    forceShare: bag.takeBoolean('force-share') ?? inherited.forceShare,
    discardUnmap:
      discard === undefined ? inherited.discardUnmap : discard === 'unmap' || discard === 'on',
  };
  if (common.forceShare && !common.readOnly) {
    throw optionError(bag.pathOf('force-share'), 'needs read-only=on');
  }
  if (detectZeroes === 'unmap' && !common.discardUnmap) {
    throw optionError(bag.pathOf('detect-zeroes'), "cannot be 'unmap' without discard=unmap");
  }
  return common;
}

function planChild(
  bag: OptionBag,
  driver: DriverDefinition,
  definition: ChildDefinition,
  inherited: Inherited,
): NodePlan | string | null | undefined {
  const child = bag.takeChild(definition.name);
  const path = bag.pathOf(definition.name);
  if (child instanceof OptionBag) return planNode(child, inherited);
  if (typeof child === 'string' && child !== '') return child;
  // Both say that there shall be no backing file, whatever the image itself says (GRAPH-10).
  if ((child === null || child === '') && !definition.required) return null;
  if (child !== undefined && child !== null) {
    throw optionError(path, 'must be the name of a node, or options');
  }
  if (definition.required) {
    throw optionError(path, `is missing; the driver '${driver.name}' needs it`);
  }
  return undefined;
}

/** @internal */
export function takeDriverOptions(
  bag: OptionBag,
  driver: DriverDefinition,
  common: Inherited,
): DriverOptions {
  const options = takeOptions(bag, driver.options, driver.name);
  for (const name of driver.passes ?? []) options[name] = common[PASSED[name]];
  return options;
}

/** @internal By name, defaults included. @throws BlockError EINVAL */
export function takeOptions(
  bag: OptionBag,
  definitions: readonly OptionDefinition[],
  driver: string,
): Record<string, OptionValue> {
  const options: Record<string, OptionValue> = {};
  for (const definition of expanded(bag, definitions)) {
    const value = takeOption(bag, definition) ?? definition.default;
    if (value !== undefined) options[definition.name] = value;
    else if (definition.required) {
      const text = `is missing; the driver '${driver}' needs it`;
      throw optionError(bag.pathOf(definition.name), text);
    }
  }
  return options;
}

/** @internal Groups and lists as the options that the user wrote below their names. */
export function expanded(
  bag: OptionBag,
  definitions: readonly OptionDefinition[],
): OptionDefinition[] {
  return definitions.flatMap((definition) => {
    const { name, group, list, ...other } = definition;
    if (list !== undefined) return bag.takeIndices(name).flatMap((at) => elements(at, definition));
    if (group !== true) return [definition];
    bag.refuseArray(name);
    return bag.namesBelow(name).map((below) => ({ ...other, name: below }));
  });
}

/** The options that one element of a list has. */
function elements(index: number, { name, list, ...other }: OptionDefinition): OptionDefinition[] {
  const element = `${name}.${index}`;
  if (list === true || list === undefined) return [{ ...other, name: element }];
  return list.map((field) => ({ ...field, name: `${element}.${field.name}` }));
}

function takeOption(bag: OptionBag, { name, type, values }: OptionDefinition) {
  if (type === 'boolean') return bag.takeBoolean(name);
  if (type === 'integer') return bag.takeInteger(name);
  return bag.takeString(name, values);
}
