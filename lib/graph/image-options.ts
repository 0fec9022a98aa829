// Options as people give them on a command line: a file's name instead of a driver, whose format
// is found out. (QEMU: -drive, blk_new_open)

import { ChildRole } from '../aio/protocol.js';
import { type DriverDefinition, findDriver } from './driver-definition.js';
import { JSON_PREFIX, optionsFor } from './filename.js';
import type { Inherited } from './node-state.js';
import { OptionBag, optionError } from './option-bag.js';
import {
  type CommonOptions,
  inheritedBy,
  type NodePlan,
  parseJson,
  planNode,
  TOP,
  takeCommon,
} from './options.js';

/** What BlockBackend.open() takes: with `filename`, `driver` may be missing. */
export interface ImageOptions extends CommonOptions {
  readonly driver?: string | undefined;
  /** 'disk.img', 'file:disk.img', './a:b', 'json:{...}'; needs no `driver`. */
  readonly filename?: string | undefined;
}

/** An image whose format is not known before its file is open. */
export interface ImagePlan {
  readonly file: NodePlan | string;
  /** @param file the name of the node that was opened. */
  planFor(driver: DriverDefinition, file: string): NodePlan;
}

export type Plan = NodePlan | ImagePlan | string;

const IMAGE = ChildRole.data | ChildRole.metadata | ChildRole.primary;

/** @throws BlockError EINVAL */
export function parseImageOptions(input: string | ImageOptions, { noIo = false } = {}): Plan {
  const inherited = { ...TOP, noIo };
  if (typeof input !== 'string') return planImage(OptionBag.from(input), inherited);
  if (!input.startsWith(JSON_PREFIX)) return input;
  return planImage(OptionBag.from(parseJson(input)), inherited);
}

/** @internal */
export function planImage(bag: OptionBag, inherited: Inherited): NodePlan | ImagePlan {
  const driver = findDriver(String(bag.peek('driver') ?? ''));
  const takesName = driver?.options.some(({ name }) => name === 'filename') === true;
  if (!takesName) takeFilename(bag);
  if (bag.peek('driver') !== undefined) return planNode(bag, inherited);
  if (!bag.has('file')) {
    throw optionError('', "either 'driver' or 'file' or 'filename' must be given");
  }
  // A name that is an option has no prefix: it is a file's.
  if (bag.peek('file') === undefined && bag.peek('file.driver') === undefined) {
    bag.set('file.driver', 'file');
  }
  const rest = bag.copy();
  const own = takeCommon(bag, inherited);
  const file = bag.takeChild('file');
  return {
    file: file instanceof OptionBag ? planNode(file, inheritedBy(IMAGE, own)) : String(file),
    planFor(driver_, name) {
      const known = rest.copy();
      known.takeChild('file');
      known.set('file', name);
      known.set('driver', driver_.name);
      const planned = planNode(known, inherited);
      const { guessed } = driver_;
      return guessed === undefined ? planned : { ...planned, nativeOptions: guessed.options() };
    },
  };
}

/** Puts what `filename` says in its place: options of lower priority, or of the file. */
function takeFilename(bag: OptionBag): void {
  const filename = bag.takeString('filename');
  if (filename === undefined) return;
  if (filename.startsWith(JSON_PREFIX)) {
    bag.withDefaultsOf(OptionBag.from(parseJson(filename)));
    return;
  }
  const options = Object.entries(optionsFor(filename)).map(
    ([name, value]) => [`file.${name}`, value] as const,
  );
  // Further options of the file may stand beside its name: file.locking=off.
  const other = ['file', ...options.map(([name]) => name)].find(
    (name) => bag.peek(name) !== undefined,
  );
  if (other !== undefined) {
    throw optionError('filename', `and the option '${other}' cannot be given both`);
  }
  for (const [name, value] of options) bag.set(name, value);
}
