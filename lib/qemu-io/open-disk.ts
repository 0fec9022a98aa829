// From what qemu-io is told about a disk to an open backend.

import { statSync } from 'node:fs';
import { BlockBackend } from '../block-backend.js';
import { BlockError } from '../errors/block-error.js';
import { type DriverOptions, findDriver } from '../graph/driver-definition.js';
import { JSON_PREFIX, optionsFor } from '../graph/filename.js';
import type { ImageOptions } from '../graph/image-options.js';
import { OptionBag, type OptionScalar } from '../graph/option-bag.js';
import { parseJson } from '../graph/options.js';
import type { CommandEnvironment } from './command.js';
import type { OpenModes } from './modes.js';
import { type OptionList, plainOptions } from './option-list.js';
import { qemuText } from './qemu-text.js';

const HOST_DEVICE = 'host_device';

type FlatOptions = Record<string, OptionScalar>;

function isOn(value: OptionScalar | undefined): boolean {
  return value === true || value === 'on';
}

/** A driver that opens names by itself has the name as an option; all others have a file. */
function withName(options: FlatOptions, name: string): void {
  if (name.startsWith(JSON_PREFIX)) {
    const given = OptionBag.from(parseJson(name)).given();
    for (const [key, value] of Object.entries(given)) options[key] ??= value;
    return;
  }
  const prefix = opensNames(options.driver) ? '' : 'file.';
  const named = optionsFor(name);
  const driver = isDevice(named) ? HOST_DEVICE : named.driver;
  for (const [key, value] of Object.entries({ ...named, driver })) {
    if (value !== undefined) options[prefix + key] ??= value;
  }
}

/** qemu-io looks whether a file is a device, unlike this package. */
function isDevice({ driver, filename }: DriverOptions): boolean {
  if (driver !== 'file' || typeof filename !== 'string') return false;
  try {
    const stat = statSync(filename);
    return stat.isBlockDevice() || stat.isCharacterDevice();
  } catch {
    // Opening it will tell why.
    return false;
  }
}

function opensNames(driver: OptionScalar | undefined): boolean {
  return typeof driver === 'string' && findDriver(driver)?.protocol !== undefined;
}

/** What is not given is as the modes say (bdrv_open_inherit: update_options_from_flags). */
function withModes(options: FlatOptions, modes: OpenModes): void {
  options['read-only'] ??= modes.readOnly;
  options['cache.direct'] ??= modes.cache.direct;
  options['cache.no-flush'] ??= modes.cache.noFlush;
  options.discard ??= modes.discard;
  if (modes.forceShare) options['force-share'] = true;
  if (modes.aio === undefined) return;
  // Files take it; for other protocols it is nothing.
  for (const [prefix, driver] of [
    ['', options.driver],
    ['file.', options['file.driver']],
    ['image.', options['image.driver']],
    ['file.image.', options['file.image.driver']],
  ] as const) {
    if (driver === 'file' || driver === HOST_DEVICE) options[`${prefix}aio`] ??= modes.aio;
  }
}

/** What can be said before anything is opened; undefined: nothing. */
function problemOf(options: FlatOptions, modes: OpenModes): string | undefined {
  if (modes.snapshot) return "a snapshot needs the driver 'qcow2', which is not there";
  const readOnly = isOn(options['read-only']);
  if (readOnly && !modes.readOnly) return 'Block node is read-only';
  if (isOn(options['force-share']) && !readOnly) {
    return 'force-share=on can only be used with read-only images';
  }
  if (modes.copyOnRead && readOnly) return "Can't use copy-on-read on read-only device";
  const { driver } = options;
  if (typeof driver === 'string' && findDriver(driver) === undefined) {
    return `Unknown driver '${driver}'`;
  }
  return undefined;
}

/**
 * Opens the disk of a session; false: it has said why not. (qemu-io.c: openfile)
 *
 * @param name undefined: the options tell all.
 */
export async function openDisk(
  io: CommandEnvironment,
  name: string | undefined,
  given: OptionList,
  modes: OpenModes,
): Promise<boolean> {
  if (io.blk !== undefined) {
    io.complain("file open already, try 'help close'");
    return false;
  }
  const share = given.get('force-share');
  if (modes.forceShare && share !== undefined && share !== 'on') {
    io.complain('-U conflicts with image options');
    return false;
  }
  try {
    io.blk = await open(name, given, modes);
    return true;
  } catch (error) {
    if (!(error instanceof BlockError) && !(error instanceof OpenProblem)) throw error;
    const reason = error instanceof BlockError ? qemuText(error) : error.message;
    io.complain(`can't open${name === undefined ? '' : ` device ${name}`}: ${reason}`);
    return false;
  }
}

class OpenProblem extends Error {}

async function open(
  name: string | undefined,
  given: OptionList,
  modes: OpenModes,
): Promise<BlockBackend> {
  const options: FlatOptions = plainOptions(given);
  if (name !== undefined) withName(options, name);
  withModes(options, modes);
  const problem = problemOf(options, modes);
  if (problem !== undefined) throw new OpenProblem(problem);
  const blk = await BlockBackend.open(options as ImageOptions);
  blk.writeCache = !modes.cache.writethrough;
  if (modes.copyOnRead) blk.root?.enableCopyOnRead();
  return blk;
}
