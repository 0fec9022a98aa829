// Breakpoints of a blkdebug node below the disk.

import type { BlockBackend } from '../../block-backend.js';
import { type Blkdebug, blkdebug } from '../../drivers/blkdebug-control.js';
import { BLKDEBUG_EVENTS } from '../../drivers/blkdebug-rules.js';
import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import { diskCommand } from '../command.js';
import { strerror } from '../strerror.js';

/** Between two looks at whether a request waits; nothing tells when one does. */
const LOOK_AGAIN_MS = 1;

/** @throws BlockError ENOTSUP when there is no blkdebug node. */
function controlOf({ root }: BlockBackend): Blkdebug {
  if (root === undefined) throw new BlockError(Errno.ENOMEDIUM, { operation: 'debug' });
  return blkdebug(root);
}

/** 0, or the errno of what was thrown, after telling it. */
function attempt(say: (reason: string) => void, body: () => void): number {
  try {
    body();
    return 0;
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    say(strerror(error.errno));
    return error.errno;
  }
}

export const breakCommand = diskCommand({
  name: 'break',
  least: 2,
  most: 2,
  parameters: 'event tag',
  summary: 'sets a breakpoint on event and tags the stopped request as tag',
  run(io, [, name = '', tag = ''], blk) {
    const say = (reason: string): void => io.out(`Could not set breakpoint: ${reason}`);
    return attempt(say, () => {
      const control = controlOf(blk);
      const event = BLKDEBUG_EVENTS.find((known) => known === name);
      if (event === undefined) throw new BlockError(Errno.ENOENT, { operation: 'break' });
      control.breakpoint(event, tag);
      io.noteBreakpoint(tag);
    });
  },
});

export const removeBreak = diskCommand({
  name: 'remove_break',
  least: 1,
  most: 1,
  parameters: 'tag',
  summary: 'remove a breakpoint by tag',
  run(io, [, tag = ''], blk) {
    const say = (reason: string): void => io.out(`Could not remove breakpoint ${tag}: ${reason}`);
    return attempt(say, () => {
      const control = controlOf(blk);
      io.noteResumed(tag, control.suspendedCount(tag));
      control.removeBreakpoint(tag);
    });
  },
});

export const resume = diskCommand({
  name: 'resume',
  least: 1,
  most: 1,
  parameters: 'tag',
  summary: 'resumes the request tagged as tag',
  run(io, [, tag = ''], blk) {
    const say = (reason: string): void => io.out(`Could not resume request: ${reason}`);
    return attempt(say, () => {
      const control = controlOf(blk);
      io.noteResumed(tag, Math.min(1, control.suspendedCount(tag)));
      control.resume(tag);
    });
  },
});

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));

export const waitBreak = diskCommand({
  name: 'wait_break',
  least: 1,
  most: 1,
  parameters: 'tag',
  summary: 'waits for the suspension of a request',
  async run(io, [, tag = ''], blk) {
    const say = (reason: string): void =>
      io.complain(`cannot wait for breakpoint ${tag}: ${reason}`);
    let isSuspended = false;
    const look = (): void => {
      isSuspended = controlOf(blk).isSuspended(tag);
    };
    for (;;) {
      // Without a disk, or breakpoints in it, qemu-io would wait for ever.
      const missing = attempt(say, look);
      if (missing < 0 || isSuspended) return missing;
      if (io.isStuck()) {
        io.complain(`no request is under way that could stop at the breakpoint '${tag}'`);
        return Errno.EINVAL;
      }
      await pause();
    }
  },
});
