// The memory of requests: filled with a pattern, checked for one, shown.

import { closeSync, openSync, readSync } from 'node:fs';
import { parseInteger } from './numbers.js';

const LINE = 16;

/** What reads find in memory that nothing was read into. */
export const READ_PATTERN = 0xab;
export const WRITE_PATTERN = 0xcd;

/** '0xff' -> 255; undefined: it is no byte. */
export function parsePattern(text: string): number | undefined {
  const value = parseInteger(text);
  return value === undefined || value < 0n || value > 255n ? undefined : Number(value);
}

export function isFilledWith(buffer: Uint8Array, pattern: number): boolean {
  return Buffer.alloc(buffer.byteLength, pattern).equals(buffer);
}

/** Fills memory with the bytes of a file, again from its start where it is shorter; says what they were. */
export function fillFromFile(buffer: Buffer, path: string): number {
  const file = openSync(path, 'r');
  try {
    let filled = 0;
    while (filled < buffer.length) {
      const bytes = readSync(file, buffer, filled, buffer.length - filled, null);
      if (bytes === 0) break;
      filled += bytes;
    }
    for (let at = filled; filled > 0 && at < buffer.length; at += filled) {
      buffer.copy(buffer, at, 0, Math.min(filled, buffer.length - at));
    }
    return filled;
  } finally {
    closeSync(file);
  }
}

function character(byte: number): string {
  const text = String.fromCharCode(byte);
  return /[0-9A-Za-z]/.test(text) ? text : '.';
}

/** '00000200:  63 64  cd', 16 bytes a line. */
export function* dumpLines(buffer: Uint8Array, offset: bigint): Generator<string> {
  for (let at = 0; at < buffer.length; at += LINE) {
    const line = buffer.subarray(at, at + LINE);
    const address = (offset + BigInt(at)).toString(16).padStart(8, '0');
    const bytes = Array.from(line, (byte) => `${byte.toString(16).padStart(2, '0')} `).join('');
    yield `${address}:  ${bytes} ${Array.from(line, character).join('')}`;
  }
}
