// Making and deleting images (QMP: blockdev-create; qemu-img create; bdrv_co_delete_file).

import { AioContext } from '../aio/context.js';
import { controlCall } from '../aio/control.js';
import { environment } from '../aio/environment.js';
import { isFailure } from '../aio/native-binding.js';
import type { PreallocationMode } from '../backend/options.js';
import { BlockBackend } from '../block-backend.js';
import {
  invalidArgumentType,
  invalidArgumentValue,
  outOfRange,
} from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { failureError } from '../errors/native-failure.js';
import { type DriverOptions, findDriver } from '../graph/driver-definition.js';
import { optionsFor } from '../graph/filename.js';
import type { BlockdevOptions } from '../graph/options.js';

const CREATE = 'create';
const SECTOR = 512;
const MODES: readonly PreallocationMode[] = ['off', 'metadata', 'falloc', 'full'];

/** How an image file is made. (QAPI: BlockdevCreateOptionsFile) */
export interface CreateOptions {
  /** In bytes. */
  readonly size: number;
  /** Default 'off'. ENOTSUP: 'metadata', as a raw file has none. */
  readonly preallocation?: PreallocationMode | undefined;
  /** Asks the file system not to copy on write; ignored where it does not know that. */
  readonly nocow?: boolean | undefined;
  /** In bytes; 0: none. Ignored where the file system has none. Default 1 MiB. */
  readonly 'extent-size-hint'?: number | undefined;
}

/** QAPI: BlockdevCreateOptionsFile. */
export interface BlockdevCreateOptions extends CreateOptions {
  readonly driver: string;
  readonly filename: string;
}

function checkOptions(options: CreateOptions): void {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgumentType('options', 'an object', options);
  }
  const { size, preallocation = 'off', nocow = false } = options;
  for (const [name, value] of [
    ['size', size],
    ['extent-size-hint', options['extent-size-hint'] ?? 0],
  ] as const) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw outOfRange(`options.${name}`, 'an integer of at least 0', value);
  }
  if (!MODES.includes(preallocation)) {
    throw invalidArgumentValue(
      'options.preallocation',
      `one of ${MODES.join(', ')}`,
      preallocation,
    );
  }
  if (typeof nocow !== 'boolean') {
    throw invalidArgumentType('options.nocow', 'of type boolean', nocow);
  }
}

function checkFilename(filename: unknown): asserts filename is string {
  if (typeof filename !== 'string') {
    throw invalidArgumentType('filename', 'of type string', filename);
  }
  if (filename === '' || filename.includes('\0')) {
    throw invalidArgumentValue('filename', 'a name without zero bytes', filename);
  }
}

type ImageCall = 'imageCreate' | 'imageDelete';

async function callDriver(call: ImageCall, driver: string, options: DriverOptions): Promise<void> {
  const { ring, binding } = environment();
  const result = await controlCall(ring, (slot) =>
    binding[call](slot, AioContext.main.handle, driver, options),
  );
  const operation = call === 'imageCreate' ? CREATE : 'delete';
  if (isFailure(result)) throw failureError(result, { operation });
}

async function createNatively(
  driver: string,
  filename: string,
  { size, preallocation = 'off', nocow = false, 'extent-size-hint': hint }: CreateOptions,
): Promise<void> {
  const options = { filename, size, preallocation, nocow };
  const more = hint === undefined ? {} : { 'extent-size-hint': hint };
  await callDriver('imageCreate', driver, { ...options, ...more });
}

/**
 * Makes a new image of exactly `size` bytes, or makes an old file a new one. Others must not have
 * the file open in a way that resizing would disturb: locks tell, before its content is touched.
 * (QMP: blockdev-create)
 *
 * @throws (rejects) BlockError: EAGAIN for a file that is locked, and it keeps its content; ENOTSUP
 * for drivers that cannot create and for modes that the driver does not have; whatever the file
 * system gives, such as ENOSPC, and then the file is empty.
 */
export async function blockdevCreate(options: BlockdevCreateOptions): Promise<void> {
  checkOptions(options);
  const { driver, filename } = options;
  if (findDriver(driver)?.creates !== true) {
    const text = `the driver '${driver}' cannot create images`;
    throw new BlockError(Errno.ENOTSUP, { operation: CREATE, text });
  }
  checkFilename(filename);
  await createNatively(driver, filename, options);
}

/**
 * Makes a raw image of `size` bytes, rounded up to sectors, as qemu-img does. `target` is a filename,
 * perhaps with its protocol, or the options of a node. Where its driver cannot create images, one
 * that is there is made to do: it grows if it must and can, and its first sector is zeroed so that
 * no old format shows. (bdrv_img_create)
 *
 * @throws (rejects) BlockError like blockdevCreate(); ENOTSUP where what is there is too small and
 * cannot grow, EINVAL for a device.
 */
export async function createImage(
  target: string | BlockdevOptions,
  options: CreateOptions,
): Promise<void> {
  checkOptions(options);
  const image = typeof target === 'string' ? namedImage(target) : target;
  const size = Math.ceil(options.size / SECTOR) * SECTOR;
  const { driver, filename } = image;
  if (findDriver(driver)?.creates === true) {
    checkFilename(filename);
    await createNatively(driver, filename, { ...options, size });
  } else {
    await makeDo(image, { ...options, size });
  }
}

function namedImage(filename: string): BlockdevOptions {
  checkFilename(filename);
  const { driver, ...options } = optionsFor(filename);
  return { driver: String(driver), ...options };
}

async function makeDo(
  image: BlockdevOptions,
  { size, preallocation = 'off' }: CreateOptions,
): Promise<void> {
  if (preallocation !== 'off') {
    const text = `the driver '${image.driver}' cannot preallocate`;
    throw new BlockError(Errno.ENOTSUP, { operation: CREATE, text });
  }
  await using blk = await BlockBackend.open(image, { resize: true });
  const grows = await growIfItCan(blk, size);
  if (!grows && (await blk.getLength()) < size) {
    const text = `what is there is smaller than ${size} bytes and cannot grow`;
    throw new BlockError(Errno.ENOTSUP, { operation: CREATE, text });
  }
  const first = Math.min(size, SECTOR);
  if (first > 0) await blk.pwriteZeroes(0, first, { mayUnmap: true });
}

async function growIfItCan(blk: BlockBackend, size: number): Promise<boolean> {
  try {
    await blk.truncate(size, { exact: false });
    return true;
  } catch (error) {
    if (error instanceof BlockError && error.errno === Errno.ENOTSUP) return false;
    throw error;
  }
}

/**
 * Deletes an image file. (bdrv_co_delete_file)
 *
 * @throws (rejects) BlockError ENOENT for anything but a regular file.
 */
export async function deleteImage(filename: string): Promise<void> {
  checkFilename(filename);
  const { driver, ...options } = optionsFor(filename);
  await callDriver('imageDelete', String(driver), options);
}
