// Reading and replaying what a blklogwrites node, or the kernel's dm-log-writes, has written.

import { type FileHandle, open } from 'node:fs/promises';
import {
  invalidArgumentType,
  invalidArgumentValue,
  outOfRange,
} from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

const MAGIC = 0x6a736677736872n;
const VERSION = 1n;
const SUPER_BYTES = 28;
const ENTRY_BYTES = 32;
const FLUSH = 1n;
const FUA = 2n;
const DISCARD = 4n;
const MARK = 8n;
const KNOWN_FLAGS = 31n;
const MIN_SECTOR_SIZE = 32;
const MAX_SECTOR_SIZE = 2 ** 23;
/** Bytes that are copied at a time. */
const STEP = 1024 ** 2;

/** One thing that happened, in the order of completion. */
export interface WriteLogEntry {
  /** From 0. */
  readonly index: number;
  readonly kind: 'write' | 'discard' | 'flush' | 'mark';
  /** Bytes, where on the image; 0 for flushes and marks. */
  readonly offset: number;
  /** How many; 0 for flushes and marks. */
  readonly bytes: number;
  /** Durable by itself when it completed. */
  readonly fua: boolean;
  /** All that completed before the flush was submitted was durable when this completed. */
  readonly flush: boolean;
  /** Of a mark: its name. */
  readonly mark: string | undefined;
  /** Bytes, where in the log its data begins. */
  readonly dataOffset: number;
}

interface Super {
  readonly sectorSize: number;
  readonly entryCount: number;
}

function logError(path: string, text: string): BlockError {
  return new BlockError(Errno.EINVAL, { operation: 'read-log', text: `'${path}' ${text}` });
}

/** What `fs` throws, in this package's words. */
async function told<T>(operation: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { errno, message } = cause as NodeJS.ErrnoException;
    if (cause instanceof BlockError || typeof errno !== 'number') throw cause;
    throw new BlockError(errno, { operation, text: `'${path}': ${message}`, cause });
  }
}

/** As many bytes as there are, at most those of `buffer`. */
async function readFully(file: FileHandle, buffer: Buffer, position: number): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

async function writeFully(file: FileHandle, buffer: Buffer, position: number): Promise<void> {
  for (let done = 0; done < buffer.length; ) {
    const left = buffer.length - done;
    done += (await file.write(buffer, done, left, position + done)).bytesWritten;
  }
}

function isSectorSize(bytes: number): boolean {
  return bytes >= MIN_SECTOR_SIZE && bytes <= MAX_SECTOR_SIZE && (bytes & (bytes - 1)) === 0;
}

/**
 * A log on disk, opened for reading. Entries that were written while it is open are not seen: how
 * many there are is read once.
 */
export class WriteLog implements AsyncDisposable {
  /** The path that it was opened with. */
  readonly path: string;
  /** Bytes; offsets and lengths are multiples of it. */
  readonly sectorSize: number;
  /** How many entries there were when it was opened. */
  readonly entryCount: number;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle, { sectorSize, entryCount }: Super) {
    this.path = path;
    this.#file = file;
    this.sectorSize = sectorSize;
    this.entryCount = entryCount;
  }

  /**
   * Opens the log in a file or block device.
   *
   * @throws (rejects) BlockError the error of open(2) or read(2); EINVAL when the file at `path` is
   * no write log of version 1.
   */
  static async open(path: string): Promise<WriteLog> {
    return told('read-log', path, async () => {
      const file = await open(path, 'r');
      try {
        return new WriteLog(path, file, await readSuper(path, file));
      } catch (error) {
        await file.close();
        throw error;
      }
    });
  }

  /**
   * In the log's order.
   *
   * @throws BlockError EINVAL where there is no entry, or the log is too short.
   */
  async *entries(): AsyncGenerator<WriteLogEntry, void, undefined> {
    let position = this.sectorSize;
    for (let index = 0; index < this.entryCount; index += 1) {
      const entry = await this.#entryAt(index, position);
      const hasData = entry.kind === 'write' || entry.kind === 'mark';
      position = entry.dataOffset + (hasData ? entry.bytes : 0);
      yield entry;
    }
  }

  /**
   * The data of a write; nothing for other entries.
   *
   * @throws BlockError EINVAL past the log's end.
   */
  async read(entry: WriteLogEntry): Promise<Buffer> {
    const data = Buffer.alloc(entry.kind === 'write' ? entry.bytes : 0);
    await this.#readData(entry, 0, data);
    return data;
  }

  /** @internal The data of a write in parts. */
  async *parts(entry: WriteLogEntry): AsyncGenerator<{ at: number; data: Buffer }> {
    for (let at = 0; at < entry.bytes; at += STEP) {
      const data = Buffer.alloc(Math.min(STEP, entry.bytes - at));
      if (entry.kind === 'write') await this.#readData(entry, at, data);
      yield { at, data };
    }
  }

  /** Later reads fail. */
  close(): Promise<void> {
    return this.#file.close();
  }

  /** Like {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #entryAt(index: number, position: number): Promise<WriteLogEntry> {
    // The sector holds the name of a mark, too.
    const sector = Buffer.alloc(this.sectorSize);
    const there = await told('read-log', this.path, () => readFully(this.#file, sector, position));
    if (there < ENTRY_BYTES) throw logError(this.path, `ends before its entry ${index}`);
    const flags = sector.readBigUInt64LE(16);
    const offset = Number(sector.readBigUInt64LE(0)) * this.sectorSize;
    const bytes = Number(sector.readBigUInt64LE(8)) * this.sectorSize;
    const dataOffset = position + this.sectorSize;
    // Where there is no entry there are zeroes, or data of another.
    const isKnown = (flags & ~KNOWN_FLAGS) === 0n && (flags !== 0n || bytes !== 0);
    if (!isKnown || ![offset, offset + bytes, dataOffset + bytes].every(Number.isSafeInteger)) {
      throw logError(this.path, `has no entry where entry ${index} should be`);
    }
    return Object.freeze({
      index,
      kind: kindOf(flags, bytes),
      offset,
      bytes,
      fua: (flags & FUA) !== 0n,
      flush: (flags & FLUSH) !== 0n,
      mark: (flags & MARK) === 0n ? undefined : markOf(sector),
      dataOffset,
    });
  }

  async #readData(entry: WriteLogEntry, at: number, data: Buffer): Promise<void> {
    const from = entry.dataOffset + at;
    const there = await told('read-log', this.path, () => readFully(this.#file, data, from));
    if (there < data.length) throw logError(this.path, `ends within its entry ${entry.index}`);
  }
}

function kindOf(flags: bigint, bytes: number): WriteLogEntry['kind'] {
  if ((flags & MARK) !== 0n) return 'mark';
  if ((flags & DISCARD) !== 0n) return 'discard';
  return bytes === 0 && (flags & FLUSH) !== 0n ? 'flush' : 'write';
}

function markOf(sector: Buffer): string {
  const bytes = Number(sector.readBigUInt64LE(24));
  return sector.toString('utf8', ENTRY_BYTES, Math.min(ENTRY_BYTES + bytes, sector.length));
}

async function readSuper(path: string, file: FileHandle): Promise<Super> {
  const buffer = Buffer.alloc(SUPER_BYTES);
  const there = await readFully(file, buffer, 0);
  if (there < SUPER_BYTES || buffer.readBigUInt64LE(0) !== MAGIC) {
    throw logError(path, 'does not begin as a write log');
  }
  const version = buffer.readBigUInt64LE(8);
  if (version !== VERSION) throw logError(path, `has version ${version}; it must be 1`);
  const sectorSize = buffer.readUInt32LE(24);
  if (!isSectorSize(sectorSize)) {
    throw logError(path, `has sectors of ${sectorSize} bytes; it must be a power of two`);
  }
  return { sectorSize, entryCount: Number(buffer.readBigUInt64LE(16)) };
}

/** The entries of the log at `path`, which is open meanwhile; see {@link WriteLog.open}. */
export async function* readWriteLog(path: string): AsyncGenerator<WriteLogEntry, void, undefined> {
  const log = await WriteLog.open(path);
  try {
    yield* log.entries();
  } finally {
    await log.close();
  }
}

/** Which part of a log is replayed, and where. */
export interface ReplayOptions {
  /** The path of a log, or one that is open already and stays so. */
  readonly log: string | WriteLog;
  /**
   * The path of the image that is written, a file or block device that exists: usually a copy of
   * what the image was when the log began. Nobody else may write to it meanwhile.
   */
  readonly target: string;
  /** Index of the first entry that is replayed; default 0. */
  readonly from?: number;
  /** Index of the first entry that is not; default and most: how many there are. */
  readonly upTo?: number;
  /** Instead of a range: these entries of the log, in this order. */
  readonly entries?: Iterable<WriteLogEntry>;
}

/** What was replayed. */
export interface ReplayResult {
  /** Entries that were replayed, flushes and marks included. */
  readonly entries: number;
  /** Bytes that were written. */
  readonly bytes: number;
}

/**
 * Does again on `target` what the log says. A discard writes zeroes, which is what a file shows
 * afterwards, and does not grow the target; flushes and marks do nothing. The target is not synced.
 *
 * @throws BlockError the error of a system call; EINVAL when the log is none, see
 * {@link WriteLog.open}. What was replayed before stays.
 * @throws RangeError when `from` or `upTo` is no index of an entry or the number of entries.
 */
export async function replayWriteLog(options: ReplayOptions): Promise<ReplayResult> {
  checkOptions(options);
  const { log, target } = options;
  const source = typeof log === 'string' ? await WriteLog.open(log) : log;
  try {
    return await told('replay-log', target, async () => {
      const file = await open(target, 'r+');
      try {
        return await replay(source, file, options);
      } finally {
        await file.close();
      }
    });
  } finally {
    if (source !== log) await source.close();
  }
}

function checkOptions({ log, target, from, upTo, entries }: ReplayOptions): void {
  if (typeof log !== 'string' && !(log instanceof WriteLog)) {
    throw invalidArgumentType('log', 'a string or a WriteLog', log);
  }
  if (typeof target !== 'string') throw invalidArgumentType('target', 'a string', target);
  if (entries === undefined) return;
  const range = from ?? upTo;
  if (range !== undefined) throw invalidArgumentValue('from, upTo', 'absent with entries', range);
}

function checkIndex(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw outOfRange(name, `an integer from ${least} to ${most}`, value);
}

async function replay(
  log: WriteLog,
  file: FileHandle,
  { from = 0, upTo = log.entryCount, entries }: ReplayOptions,
): Promise<ReplayResult> {
  const last = checkIndex('upTo', upTo, 0, log.entryCount);
  const first = checkIndex('from', from, 0, last);
  let count = 0;
  let bytes = 0;
  for await (const entry of entries ?? log.entries()) {
    if (entries === undefined && entry.index >= last) break;
    if (entries === undefined && entry.index < first) continue;
    bytes += await replayEntry(log, file, entry);
    count += 1;
  }
  return { entries: count, bytes };
}

/** How many bytes it wrote. */
async function replayEntry(log: WriteLog, file: FileHandle, entry: WriteLogEntry): Promise<number> {
  if (entry.kind !== 'write' && entry.kind !== 'discard') return 0;
  const end = entry.kind === 'discard' ? await endOf(file) : Number.POSITIVE_INFINITY;
  let written = 0;
  for await (const { at, data } of log.parts(entry)) {
    const position = entry.offset + at;
    if (position >= end) break;
    const part = data.subarray(0, Math.min(data.length, end - position));
    await writeFully(file, part, position);
    written += part.length;
  }
  return written;
}

/** Nothing is written past the end of a file; a device has an end of its own. */
async function endOf(file: FileHandle): Promise<number> {
  const status = await file.stat();
  return status.isFile() ? status.size : Number.POSITIVE_INFINITY;
}
