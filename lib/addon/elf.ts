// A binary is looked at before it is loaded: a truncated one does not make dlopen() fail, it ends the
// process by SIGBUS.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const HEADER_BYTES = 64;
/** EM_X86_64 and EM_AARCH64 of <elf.h>. */
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };

/** What is wrong with a file that is to be loaded. */
export type ElfProblem =
  | { readonly kind: 'damaged'; readonly length: number; readonly expected: number }
  | { readonly kind: 'machine'; readonly found: string };

function readHeader(file: number): { header: Buffer; length: number } {
  const header = Buffer.alloc(HEADER_BYTES);
  readSync(file, header, 0, HEADER_BYTES, 0);
  return { header, length: fstatSync(file).size };
}

const nameOf = (machine: number): string =>
  Object.keys(MACHINES).find((name) => MACHINES[name] === machine) ?? `machine ${machine}`;

function problemOf(header: Buffer, length: number, arch: string): ElfProblem | undefined {
  const is64BitLittleEndian = header
    .subarray(0, 6)
    .equals(Buffer.from('\x7fELF\x02\x01', 'latin1'));
  if (!is64BitLittleEndian) return { kind: 'damaged', length, expected: HEADER_BYTES };
  const machine = header.readUInt16LE(18);
  if (machine !== MACHINES[arch]) return { kind: 'machine', found: nameOf(machine) };
  // The table of sections is the last thing in a file that a linker or strip wrote.
  const expected =
    Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
  return length < expected ? { kind: 'damaged', length, expected } : undefined;
}

/** Nothing is said of architectures that no binary is published for. */
export function elfProblem(path: string, arch: string = process.arch): ElfProblem | undefined {
  if (MACHINES[arch] === undefined) return undefined;
  const file = openSync(path, 'r');
  try {
    const { header, length } = readHeader(file);
    return problemOf(header, length, arch);
  } finally {
    closeSync(file);
  }
}
