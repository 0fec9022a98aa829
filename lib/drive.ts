// Drives as the command line makes them (QEMU: -drive), with a medium or ready for one.

import type { BackendSettings } from './backend/settings.js';
import { BlockBackend } from './block-backend.js';
import { invalidArgumentType } from './errors/argument-errors.js';
import { OptionBag, optionError } from './graph/option-bag.js';
import { type BlockdevOptions, parseOptions } from './graph/options.js';
import { completeLimits, isThrottling, type ThrottleLimits } from './throttle/limits.js';

/**
 * The options of a medium; of an empty drive only the common ones: read-only, cache ... Beside them
 * `throttling`: limits, and the name of the throttle group, by default that of the drive; and
 * `copy-on-read`: reads keep in the medium what they had to read from its backing files.
 */
export type DriveOptions = Partial<BlockdevOptions> & {
  readonly 'copy-on-read'?: boolean | undefined;
  readonly throttling?: ThrottlingOptions | undefined;
};

/** QAPI's ThrottleLimits; nested or with dots ('throttling.iops-total'). */
export type ThrottlingOptions = ThrottleLimits & { readonly group?: string };

const THROTTLING = 'throttling';
const COPY_ON_READ = 'copy-on-read';

/** Common options, which say nothing about which medium it is. */
const COMMON = /^(read-only|auto-read-only|discard|detect-zeroes|force-share|cache(\..*)?)$/;

/** Has the common options and no medium. */
const NO_MEDIUM = 'null-co';

/**
 * A drive with the medium that the options say; a `file` alone is a raw image. Unlike a node's its
 * option auto-read-only is on unless it is given (FILE-4). With `filename` and no `driver` the format
 * is found out. Without any medium it is empty, and its first medium is opened as they say: see `rootState`.
 * (QEMU: -drive)
 *
 * @throws (rejects) BlockError as {@link BlockBackend.open}; EINVAL for `copy-on-read` on a medium
 * that is read-only.
 */
export async function createDrive(
  options: DriveOptions = {},
  settings: BackendSettings = {},
): Promise<BlockBackend> {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgumentType('options', 'an object', options);
  }
  const { throttling, copiesOnRead, medium } = split(options);
  const throttle = throttlingOf(throttling, settings.name);
  const blk = await openDrive(medium, settings);
  try {
    throttle(blk);
    if (copiesOnRead) enableCopyOnRead(blk);
    return blk;
  } catch (error) {
    await blk.close();
    throw error;
  }
}

async function openDrive(options: Medium, settings: BackendSettings): Promise<BlockBackend> {
  const { driver, file, filename } = options;
  const drive = { 'auto-read-only': true, ...defined(options) };
  if (filename !== undefined) return BlockBackend.open(drive, settings);
  if (driver !== undefined) return BlockBackend.open({ ...drive, driver }, settings);
  if (file !== undefined && file !== '') {
    const image = typeof file === 'string' ? { driver: 'file', filename: file } : file;
    return BlockBackend.open({ ...drive, driver: 'raw', file: image }, settings);
  }
  return emptyDrive({ ...options, file: undefined }, settings);
}

type Medium = Partial<BlockdevOptions>;

/** What is given as undefined is not given. */
function defined(options: Medium): Medium {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as Medium;
}

interface SplitOptions {
  readonly throttling: Record<string, unknown>;
  readonly copiesOnRead: boolean;
  readonly medium: Medium;
}

function enableCopyOnRead({ root }: BlockBackend): void {
  if (root === undefined) throw optionError(COPY_ON_READ, 'needs a medium');
  root.enableCopyOnRead();
}

function split(options: DriveOptions): SplitOptions {
  const { throttling = {}, [COPY_ON_READ]: copying, ...others } = options;
  const copiesOnRead = OptionBag.from({ [COPY_ON_READ]: copying }).takeBoolean(COPY_ON_READ);
  if (typeof throttling !== 'object' || throttling === null) {
    throw optionError(THROTTLING, 'must be an object');
  }
  const dotted = Object.keys(others).filter((name) => name.startsWith(`${THROTTLING}.`));
  const given: Record<string, unknown> = { ...throttling };
  for (const name of dotted) given[name.slice(THROTTLING.length + 1)] = others[name];
  const medium = Object.entries(others).filter(([name]) => !dotted.includes(name));
  return {
    throttling: given,
    copiesOnRead: copiesOnRead ?? false,
    medium: Object.fromEntries(medium) as Medium,
  };
}

/** Checked before anything is opened. */
function throttlingOf(
  { group, ...given }: Record<string, unknown>,
  drive: string | undefined,
): (blk: BlockBackend) => void {
  const limits = completeLimits(given as ThrottleLimits);
  if (!isThrottling(limits)) return () => {};
  const name = group ?? drive;
  if (typeof name !== 'string' || name === '') {
    throw optionError(`${THROTTLING}.group`, 'is missing, and the drive has no name');
  }
  return (blk) => {
    blk.ioLimitsEnable(name);
    blk.setIoLimits(limits);
  };
}

function emptyDrive(options: Medium, settings: BackendSettings): BlockBackend {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && !COMMON.test(name)) throw optionError(name, 'needs a medium');
  }
  const plan = parseOptions({ ...options, driver: NO_MEDIUM });
  if (typeof plan === 'string') throw optionError('', 'the options must be an object');
  const blk = new BlockBackend(settings);
  blk.presetRootState(plan.state);
  return blk;
}
