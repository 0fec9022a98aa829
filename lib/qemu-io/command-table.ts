import type { Command } from './command.js';
import { aioFlush } from './commands/aio-flush.js';
import { aioReadCommand } from './commands/aio-read.js';
import { aioWriteCommand } from './commands/aio-write.js';
import { breakCommand, removeBreak, resume, waitBreak } from './commands/breakpoints.js';
import { discard } from './commands/discard.js';
import { alloc, map } from './commands/extents.js';
import { flush } from './commands/flush.js';
import { help } from './commands/help.js';
import { info } from './commands/info.js';
import { length } from './commands/length.js';
import { abort, sigraise, sleep } from './commands/process.js';
import { read } from './commands/read.js';
import { reopen } from './commands/reopen.js';
import { close, open, quit } from './commands/session.js';
import { truncate } from './commands/truncate.js';
import { readv, writev } from './commands/vectored.js';
import { write } from './commands/write.js';

const byName = (one: Command, other: Command): number => (one.name < other.name ? -1 : 1);

/** Of a disk that somebody else has opened, in the order of their names. */
export const DISK_COMMANDS: readonly Command[] = [
  abort,
  aioFlush,
  aioReadCommand,
  aioWriteCommand,
  alloc,
  breakCommand,
  discard,
  flush,
  help,
  info,
  length,
  map,
  read,
  readv,
  removeBreak,
  reopen,
  resume,
  sigraise,
  sleep,
  truncate,
  waitBreak,
  write,
  writev,
].toSorted(byName);

/** Of a session that opens its disks itself. */
export const SESSION_COMMANDS: readonly Command[] = [...DISK_COMMANDS, open, close, quit].toSorted(
  byName,
);
