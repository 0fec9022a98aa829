// SCSI commands: the kernel's own structure (sg_io_hdr) holds addresses, which only native/ may
// fill in. Here a command, its sense and its data follow each other in one piece of memory, behind
// a header of 64 bytes (native/block/sg-io.hpp):
//
//   u32 direction, timeout, bytes of command, sense and data
//   u32 status, host status, driver status, bytes of sense written, i32 residual, u32 duration

import {
  invalidArgumentType,
  invalidArgumentValue,
  outOfRange,
} from '../errors/argument-errors.js';
import { BlockUsageError } from '../errors/block-error.js';
import { byteLengthOf } from './arguments.js';

const HEADER = 64;
const MAX_COMMAND = 252;
const MAX_SENSE = 252;
const MAX_DATA = 2 ** 30;
const DEFAULT_SENSE = 32;
const DEFAULT_TIMEOUT = 30_000;

const DIRECTIONS = { none: 0, 'to-device': 1, 'from-device': 2 } as const;

/** Which way a command's data goes. */
export type SgDirection = keyof typeof DIRECTIONS;

/** A SCSI command (Linux: sg_io_hdr), without addresses. */
export interface SgIoCommand {
  /** The command descriptor block, 1 to 252 bytes. */
  readonly command: Uint8Array;
  /** Required with `data`. */
  readonly direction?: SgDirection | undefined;
  /** At most 1 GiB. From the device, it has the answer when the command is done. */
  readonly data?: ArrayBufferView | undefined;
  /** Room for sense data, 0 to 252 bytes. Default 32. */
  readonly senseLength?: number | undefined;
  /** In milliseconds, up to 2^32 - 1. Default 30 s. */
  readonly timeout?: number | undefined;
}

/** What the device, and those before it, say. All 0: fine. */
export interface SgIoResult {
  /** SCSI status: 2 is CHECK CONDITION. */
  readonly status: number;
  readonly hostStatus: number;
  readonly driverStatus: number;
  readonly sense: Buffer;
  /** Bytes of the data that were not transferred. */
  readonly residual: number;
  /** In milliseconds. */
  readonly duration: number;
}

function bytesOf(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

function checkInteger(name: string, value: unknown, most: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) return;
  throw outOfRange(name, `an integer from 0 to ${most}`, value);
}

function checkData({ data, direction = 'none' }: SgIoCommand): void {
  if (data !== undefined && !ArrayBuffer.isView(data)) {
    throw invalidArgumentType('command.data', 'a Buffer, TypedArray or DataView', data);
  }
  if (!Object.hasOwn(DIRECTIONS, direction)) {
    const known = Object.keys(DIRECTIONS).join(', ');
    throw invalidArgumentValue('command.direction', `one of ${known}`, direction);
  }
  if ((data === undefined) !== (direction === 'none')) {
    throw invalidArgumentValue('command.direction', "'none' exactly without data", direction);
  }
}

/** @throws TypeError, RangeError */
export function encodeSgIo(request: SgIoCommand): Buffer {
  if (typeof request !== 'object' || request === null) {
    throw invalidArgumentType('command', 'an object', request);
  }
  const { command, data, direction = 'none' } = request;
  const { senseLength = DEFAULT_SENSE, timeout = DEFAULT_TIMEOUT } = request;
  if (!ArrayBuffer.isView(command)) {
    throw invalidArgumentType('command.command', 'a Buffer or Uint8Array', command);
  }
  const commandBytes = byteLengthOf(command);
  if (commandBytes < 1 || commandBytes > MAX_COMMAND) {
    throw outOfRange('command.command.length', `from 1 to ${MAX_COMMAND}`, commandBytes);
  }
  checkInteger('command.senseLength', senseLength, MAX_SENSE);
  checkInteger('command.timeout', timeout, 2 ** 32 - 1);
  checkData(request);
  const dataBytes = data === undefined ? 0 : byteLengthOf(data);
  checkInteger('command.data.byteLength', dataBytes, MAX_DATA);
  const memory = Buffer.alloc(HEADER + commandBytes + senseLength + dataBytes);
  const words = [DIRECTIONS[direction], timeout, commandBytes, senseLength, dataBytes];
  for (const [index, word] of words.entries()) memory.writeUInt32LE(word, index * 4);
  bytesOf(command).copy(memory, HEADER);
  if (data !== undefined && direction === 'to-device') {
    bytesOf(data).copy(memory, memory.length - dataBytes);
  }
  return memory;
}

/** Takes the answer out of the memory, and the data into the caller's buffer. */
export function decodeSgIo(memory: Buffer, { data, direction }: SgIoCommand): SgIoResult {
  const word = (index: number): number => memory.readUInt32LE(index * 4);
  const senseStart = HEADER + word(2);
  const senseBytes = Math.min(word(8), word(3));
  const dataBytes = word(4);
  if (data !== undefined && direction === 'from-device') {
    if (byteLengthOf(data) < dataBytes) {
      throw new BlockUsageError('the data buffer was detached or shrunk during the command');
    }
    memory.copy(bytesOf(data), 0, memory.length - dataBytes);
  }
  return Object.freeze({
    status: word(5),
    hostStatus: word(6),
    driverStatus: word(7),
    sense: Buffer.from(memory.subarray(senseStart, senseStart + senseBytes)),
    residual: memory.readInt32LE(36),
    duration: word(10),
  });
}
