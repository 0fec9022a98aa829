import type { BlockBackend } from '../../block-backend.js';
import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import { graph } from '../../graph/graph.js';
import type { BlockNode } from '../../graph/node.js';
import { OptionBag, type OptionScalar } from '../../graph/option-bag.js';
import { reopen as reopenNodes } from '../../graph/reopen.js';
import { planReopen } from '../../graph/reopen-plan.js';
import { type CacheMode, parseCacheMode } from '../../options/open-words.js';
import { type CommandEnvironment, type DiskCommand, diskCommand } from '../command.js';
import { readFlags, refuseUsage } from '../flags.js';
import { type OptionList, parseOptionList, plainOptions } from '../option-list.js';
import { refuse } from '../outcome.js';
import { qemuText } from '../qemu-text.js';

interface Wish {
  readonly cache: CacheMode | undefined;
  readonly readOnly: boolean | undefined;
  readonly given: OptionList;
}

function readWish(io: CommandEnvironment, argv: readonly string[]): Wish {
  const complain = (text: string): void => io.complain(text);
  let cache: CacheMode | undefined;
  let readOnly: boolean | undefined;
  let given: OptionList = new Map();
  const setReadOnly = (wanted: boolean): void => {
    if (readOnly !== undefined) refuse(complain, 'Only one -r/-w option may be given');
    readOnly = wanted;
  };
  const { operands } = readFlags(io, definition, argv, 'c:o:rw', {
    c: (text) => {
      cache = parseCacheMode(text) ?? refuse(complain, `Invalid cache option: ${text}`);
    },
    o: (text) => {
      const warn = (lines: readonly string[]): void => io.warn(lines);
      given = new Map([...given, ...parseOptionList(text, warn)]);
    },
    r: () => setReadOnly(true),
    w: () => setReadOnly(false),
  });
  if (operands.length > 0) refuseUsage(io, definition);
  return { cache, readOnly, given };
}

/** The options of -o, and for those that it leaves out the flags, or else what holds now. */
function optionsFor(
  io: CommandEnvironment,
  { cache, readOnly, given }: Wish,
  { state }: BlockNode,
): Record<string, OptionScalar> {
  const complain = (text: string): void => io.complain(text);
  const options = plainOptions(given);
  if (!given.has('read-only')) options['read-only'] = readOnly ?? state.readOnly;
  else if (readOnly !== undefined) refuse(complain, "Cannot set both -r/-w and 'read-only'");
  if (!given.has('cache.direct') && !given.has('cache.no-flush')) {
    options['cache.direct'] = cache?.direct ?? state.direct;
    options['cache.no-flush'] = cache?.noFlush ?? state.noFlush;
  } else if (cache !== undefined) {
    refuse(complain, 'Cannot set both -c and the cache options');
  }
  return options;
}

/** Whoever is to read only gives up the permission to write first. */
async function stopWriting(io: CommandEnvironment, blk: BlockBackend): Promise<void> {
  const section = graph().drainAll();
  try {
    await io.wait(section.quiet());
  } finally {
    section.end();
  }
  const kept = blk.permissions.filter((name) => !name.startsWith('write'));
  await blk.setPermissions(kept, blk.shared);
}

async function runReopen(
  io: CommandEnvironment,
  argv: readonly string[],
  blk: BlockBackend,
): Promise<number> {
  const wish = readWish(io, argv);
  const node = blk.root;
  const writethrough = wish.cache?.writethrough ?? !blk.writeCache;
  if (!writethrough !== blk.writeCache && blk.device !== undefined) {
    io.complain('Cannot change cache.writeback: Device attached');
    return Errno.EBUSY;
  }
  if (node === undefined) {
    io.complain('the device has no medium');
    return Errno.ENOMEDIUM;
  }
  if (wish.readOnly ?? node.readOnly) await stopWriting(io, blk);
  const options = optionsFor(io, wish, node);
  try {
    await graph().lock.run('reopen', (change) =>
      reopenNodes(
        graph(),
        planReopen(graph(), [{ node, bag: OptionBag.from(options) }], 'keep'),
        change,
      ),
    );
  } catch (error) {
    if (!(error instanceof BlockError)) throw error;
    io.complain(qemuText(error, 'reopen'));
    return Errno.EINVAL;
  }
  blk.writeCache = !writethrough;
  return 0;
}

const definition: DiskCommand = {
  name: 'reopen',
  most: Number.POSITIVE_INFINITY,
  parameters: '[(-r|-w)] [-c cache] [-o options]',
  summary: 'reopens an image with new options',
  help: [
    'Gives the open disk other options; those that are not given stay.',
    ' -r          to be read only',
    ' -w          to be written as well',
    ' -c cache    with this cache mode',
    " -o options  of the driver ('-o size=1048576')",
  ],
  run: runReopen,
};

export const reopen = diskCommand(definition);
