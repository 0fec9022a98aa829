// What commands share that start a request and go on.

import type { AccountingCookie } from '../accounting/accounting.js';
import type { BlockBackend } from '../block-backend.js';
import type { CommandEnvironment } from './command.js';
import { type Flags, type OnOption, readPattern } from './flags.js';
import { CommandFailure } from './outcome.js';
import { WRITE_PATTERN } from './pattern-buffer.js';
import { reportLines } from './report.js';
import { readLengths } from './transfer.js';

export type Kind = 'read' | 'write';

export interface Started {
  readonly flags: Flags;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly pattern: number;
  readonly elapsed: () => number;
  /** undefined for zero-writes, which QEMU does not account here. */
  readonly cookie: AccountingCookie | undefined;
}

/** -i ends the command on the spot, so what is behind it is never looked at. */
class Injected extends CommandFailure {
  constructor() {
    super(0);
  }
}

function inject(io: CommandEnvironment, blk: BlockBackend, kind: Kind): never {
  io.out(`injecting invalid ${kind} request`);
  blk.accounting.invalid(kind);
  throw new Injected();
}

export function aioOptions(
  io: CommandEnvironment,
  blk: BlockBackend,
  kind: Kind,
): { on: OnOption; pattern: () => number } {
  let pattern = kind === 'read' ? 0 : WRITE_PATTERN;
  const on = {
    P: (text: string) => {
      pattern = readPattern(io, text);
    },
    i: () => inject(io, blk, kind),
  };
  return { on, pattern: () => pattern };
}

/** Lengths that make no request count as an invalid one. */
export function lengthsOf(
  io: CommandEnvironment,
  blk: BlockBackend,
  kind: Kind,
  words: readonly string[],
): bigint[] {
  try {
    return readLengths(io, words);
  } catch (error) {
    blk.accounting.invalid(kind);
    throw error;
  }
}

export function tell(
  io: CommandEnvironment,
  operation: string,
  started: Started,
  seconds: number,
): void {
  const { flags, offset, bytes } = started;
  for (const line of reportLines({ operation, offset, bytes, seconds, terse: flags.has('C') })) {
    io.out(line);
  }
}

export function account(blk: BlockBackend, { cookie }: Started, result: number): void {
  if (cookie === undefined || blk.isClosed) return;
  if (result < 0) blk.accounting.failed(cookie);
  else blk.accounting.done(cookie);
}

export function start(
  io: CommandEnvironment,
  request: Promise<number>,
  done: (result: number) => void,
): void {
  io.requests.start(request, done, (error) => io.complain(String(error)));
}
