// What lib/ knows about a driver: a short declaration per driver, in lib/drivers/.

import type { BlockNode } from './node.js';
import type { Grant, ParentState } from './permissions.js';
import type { Signature } from './signature.js';

export type OptionValue = boolean | number | string;
export type DriverOptions = Readonly<Record<string, OptionValue>>;

/** A common option that some drivers see natively, too. */
export type PassedOption = 'cache.direct' | 'auto-read-only';

export interface OptionDefinition {
  /** QAPI's name, with dots: 'cache.direct'. */
  readonly name: string;
  readonly type: 'boolean' | 'integer' | 'string';
  /** Absent and not required: not passed to native/. */
  readonly default?: OptionValue;
  readonly required?: boolean;
  /** It decides what the node shows, so a file's name alone does not tell (GRAPH-11). */
  readonly strong?: boolean;
  /** The only values of a string. */
  readonly values?: readonly string[];
  /** Not one option but all below its name: 'roles.file', 'roles.backing' ... */
  readonly group?: boolean;
  /** A list of such values ('take.0', 'take.1'), or of objects with these fields ('rules.0.event'). */
  readonly list?: true | readonly OptionDefinition[];
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

/** What a new image would take of its file, in bytes (QAPI: BlockMeasureInfo). */
export interface ImageMeasures {
  /** At first. */
  readonly required: number;
  /** When all of the disk was written. */
  readonly fullyAllocated: number;
}

/** Nobody said that an image is of this format, and its bytes say nothing, either. */
export interface GuessedFormat {
  /** Options beside the user's for its native half. */
  options(): DriverOptions;
  /** What the user should know when the image can be written. */
  readonly warning: string;
}

export interface DriverDefinition {
  /** QAPI's BlockdevDriver. */
  readonly name: string;
  readonly options: readonly OptionDefinition[];
  /** Common options that native/ wants to see as well. */
  readonly passes?: readonly PassedOption[];
  readonly children: readonly ChildDefinition[];
  /** Children whose names or roles only the options tell; beside `children`. */
  moreChildren?(options: DriverOptions): readonly ChildDefinition[];
  /** By which bytes its images are known; then they are of this format for certain. */
  readonly signatures?: readonly Signature[];
  /** Beside `signatures`: how certain it is, from 1 to 100, that an image is of this format; 0: it is not (GRAPH-7). */
  probe?(header: Uint8Array, filename: string): number;
  /** What holds of an image whose format was only guessed to be this one. */
  readonly guessed?: GuessedFormat;
  /** It opens files by their name: the options for one; undefined: it cannot have that name. */
  protocol?(filename: string): DriverOptions | undefined;
  /**
   * The name that says all about a node; '' where only options can. `given` are the names of the
   * strong options that somebody gave, `nameOf` gives the same name of a child. Absent: the option
   * `filename`, or of a format what its file is called. (bdrv_refresh_filename)
   */
  exactFilename?(
    node: BlockNode,
    given: readonly string[],
    nameOf: (child: BlockNode) => string,
  ): string;
  /** It can tell whether its image was closed properly. Absent: its file's driver may. (bdrv_get_info) */
  readonly describesImage?: boolean;
  /** A format, and no filter, even where all that it does is to pass requests on. */
  readonly isFormat?: boolean;
  /** The name of the backing file in the image; '' without one (GRAPH-10). */
  backingFilename?(node: BlockNode): string;
  /** Writes the name of a new backing file into the image (GRAPH-23). */
  setBackingName?(node: BlockNode, name: string): Promise<void>;
  /** Moves what the overlay holds into its backing file (bdrv_commit). */
  commit?(node: BlockNode): Promise<void>;
  /** It can make new images natively. */
  readonly creates?: boolean;
  /** What a new image for a disk of `size` bytes would take. */
  measure?(size: number): ImageMeasures;
  /** SCSI generic: commands go to the device as they are. */
  readonly isSg?: boolean;
  /** Options that a reopen may change; absent: the driver cannot be reopened (REOP-14). */
  readonly reopens?: readonly string[];
  /** It opens its image for writing only while somebody writes (FILE-3). */
  readonly autoReadOnly?: boolean;
  /** What native/ gets in place of the options; may read files. @throws (rejects) BlockError */
  nativeOptions?(options: DriverOptions): Promise<DriverOptions>;
  /** A sentence about options that do not go together. */
  check?(options: DriverOptions): string | undefined;
  /** It has been opened natively, and nobody uses it yet. What is thrown lets the open fail. */
  opened?(node: BlockNode): void;
  /** Its children are attached now, and nobody uses it yet. What is thrown lets the open fail. */
  linked?(node: BlockNode): void;
  /** It is going to be closed, with nothing under way. */
  closing?(node: BlockNode): void;
  /** Last thing that can refuse a reopen; then exactly one of the two is called. */
  reopening?(
    node: BlockNode,
    options: DriverOptions,
  ): { readonly commit: () => void; readonly abort: () => void };
  /** The tray opened or closed (bdrv_eject). */
  eject?(node: BlockNode, open: boolean): void;
  /** The medium is not to be taken out, or may be again (bdrv_lock_medium). */
  lockMedium?(node: BlockNode, locked: boolean): void;
  /** Successful reads leave the buffer as it was. */
  leavesReadBuffers?(options: DriverOptions): boolean;
}

const definitions = new Map<string, () => DriverDefinition>();

/**
 * Makes drivers known to this environment by their names; a later definition replaces an earlier one.
 * They need not be loaded before somebody asks for them.
 */
export function registerDrivers(drivers: Readonly<Record<string, () => DriverDefinition>>): void {
  for (const [name, definition] of Object.entries(drivers)) definitions.set(name, definition);
}

/** All children that a node of these options can have. */
export function childrenOf(
  driver: DriverDefinition,
  options: DriverOptions,
): readonly ChildDefinition[] {
  return [...driver.children, ...(driver.moreChildren?.(options) ?? [])];
}

export function findDriver(name: string): DriverDefinition | undefined {
  return definitions.get(name)?.();
}

/** In order of registration. */
export function* drivers(): Iterable<DriverDefinition> {
  for (const definition of definitions.values()) yield definition();
}

/** The driver for names that begin with `prefix:`. */
export function findProtocol(prefix: string): DriverDefinition | undefined {
  const driver = findDriver(prefix);
  return driver?.protocol === undefined ? undefined : driver;
}

export function driverNames(): string[] {
  return [...definitions.keys()].sort();
}
