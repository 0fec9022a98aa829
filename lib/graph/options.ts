// From what users write to what is to be opened. Nothing is opened here, and everything that can be
// wrong with options alone is found here.

import {
  type ChildDefinition,
  type DriverDefinition,
  type DriverOptions,
  driverNames,
  findDriver,
  type OptionDefinition,
  type OptionValue,
} from './driver-definition.js';
import { OptionBag, type OptionInput, optionError } from './option-bag.js';

/**
 * What to open, in QAPI's terms (BlockdevOptions): common options, the driver's own options, and
 * its children, each with options of its own or named by a string. Nested objects and dotted keys
 * ('file.filename') mean the same.
 */
export interface BlockdevOptions {
  readonly driver: string;
  /** A letter, then letters, digits, '-', '.', '_'; at most 31. Default: generated. */
  readonly 'node-name'?: string | undefined;
  /** Default: as the parent, false at the top. */
  readonly 'read-only'?: boolean | undefined;
  /** Accepted; has no effect yet. */
  readonly 'auto-read-only'?: boolean | undefined;
  /** What discards do. Default 'ignore', on children 'unmap'. */
  readonly discard?: 'ignore' | 'unmap' | undefined;
  /** Only 'off'. */
  readonly 'detect-zeroes'?: 'off' | undefined;
  /** Others may do everything with the node meanwhile; needs read-only. */
  readonly 'force-share'?: boolean | undefined;
  /** Defaults: as the parent, false at the top. */
  readonly cache?: CacheOptions | undefined;
  readonly [option: string]: OptionInput | undefined;
}

export interface CacheOptions {
  /** Bypass the page cache (O_DIRECT). */
  readonly direct?: boolean | undefined;
  /** Ignore flushes: fast, and unsafe when the host fails. */
  readonly 'no-flush'?: boolean | undefined;
  readonly [option: string]: OptionInput | undefined;
}

/** What an inline child takes from its parent unless it says otherwise (GRAPH-8). */
interface Inherited {
  readonly readOnly: boolean;
  readonly direct: boolean;
  readonly noFlush: boolean;
  readonly forceShare: boolean;
  readonly discardUnmap: boolean;
}

export interface NodePlan extends Inherited {
  readonly driver: DriverDefinition;
  readonly name: string | undefined;
  readonly options: DriverOptions;
  readonly children: readonly ChildPlan[];
}

export interface ChildPlan {
  readonly definition: ChildDefinition;
  /** A name refers to a node that exists. */
  readonly node: NodePlan | string;
}

const TOP: Inherited = {
  readOnly: false,
  direct: false,
  noFlush: false,
  forceShare: false,
  discardUnmap: false,
};

const JSON_PREFIX = 'json:';

/** A plan, or the name of a node that exists. @throws BlockError EINVAL */
export function parseOptions(input: string | BlockdevOptions): NodePlan | string {
  if (typeof input !== 'string') return parseObject(input);
  if (!input.startsWith(JSON_PREFIX)) return input;
  let parsed: unknown;
  try {
    parsed = JSON.parse(input.slice(JSON_PREFIX.length));
  } catch (cause) {
    throw optionError('', `the text after 'json:' is no JSON: ${String(cause)}`);
  }
  return parseObject(parsed);
}

function parseObject(input: unknown): NodePlan {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw optionError('', 'the options must be an object or a string');
  }
  return planNode(OptionBag.from(input as { readonly [name: string]: unknown }), TOP);
}

function planNode(bag: OptionBag, inherited: Inherited): NodePlan {
  const driver = takeDriver(bag);
  const name = bag.takeString('node-name');
  const common = takeCommon(bag, inherited);
  const children: ChildPlan[] = [];
  for (const definition of driver.children) {
    const node = planChild(bag, driver, definition, common);
    if (node !== undefined) children.push({ definition, node });
  }
  const options = takeDriverOptions(bag, driver, common);
  const unknown = bag.leftover();
  if (unknown !== undefined) {
    throw optionError(unknown, `is unknown to the driver '${driver.name}'`);
  }
  const problem = driver.check?.(options);
  if (problem !== undefined) throw optionError('', problem);
  return { ...common, driver, name, options, children };
}

function takeDriver(bag: OptionBag): DriverDefinition {
  const name = bag.takeString('driver');
  if (name === undefined) throw optionError(bag.pathOf('driver'), 'is missing');
  const driver = findDriver(name);
  if (driver !== undefined) return driver;
  const known = driverNames().join(', ');
  throw optionError(bag.pathOf('driver'), `names the unknown driver '${name}'; known: ${known}`);
}

function takeCommon(bag: OptionBag, inherited: Inherited): Inherited {
  const discard = bag.takeString('discard', ['ignore', 'off', 'unmap', 'on']);
  bag.takeBoolean('auto-read-only');
  bag.takeString('detect-zeroes', ['off']);
  const common = {
    readOnly: bag.takeBoolean('read-only') ?? inherited.readOnly,
    direct: bag.takeBoolean('cache.direct') ?? inherited.direct,
    noFlush: bag.takeBoolean('cache.no-flush') ?? inherited.noFlush,
    forceShare: bag.takeBoolean('force-share') ?? inherited.forceShare,
    discardUnmap:
      discard === undefined ? inherited.discardUnmap : discard === 'unmap' || discard === 'on',
  };
  if (common.forceShare && !common.readOnly) {
    throw optionError(bag.pathOf('force-share'), 'needs read-only=on');
  }
  return common;
}

function planChild(
  bag: OptionBag,
  driver: DriverDefinition,
  definition: ChildDefinition,
  parent: Inherited,
): NodePlan | string | undefined {
  const child = bag.takeChild(definition.name);
  const path = bag.pathOf(definition.name);
  if (child instanceof OptionBag) return planNode(child, { ...parent, discardUnmap: true });
  if (typeof child === 'string') return child;
  if (child !== undefined && child !== null) {
    throw optionError(path, 'must be the name of a node, or options');
  }
  if (definition.required) {
    throw optionError(path, `is missing; the driver '${driver.name}' needs it`);
  }
  return undefined;
}

function takeDriverOptions(
  bag: OptionBag,
  driver: DriverDefinition,
  common: Inherited,
): DriverOptions {
  const options: Record<string, OptionValue> = {};
  for (const definition of driver.options) {
    const value = takeOption(bag, definition) ?? definition.default;
    if (value !== undefined) options[definition.name] = value;
    else if (definition.required) {
      const text = `is missing; the driver '${driver.name}' needs it`;
      throw optionError(bag.pathOf(definition.name), text);
    }
  }
  for (const name of driver.passes ?? []) options[name] = common.direct;
  return options;
}

function takeOption(bag: OptionBag, { name, type, values }: OptionDefinition) {
  if (type === 'boolean') return bag.takeBoolean(name);
  if (type === 'integer') return bag.takeInteger(name);
  return bag.takeString(name, values);
}
