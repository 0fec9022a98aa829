import { AioContext } from '../aio/context.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { moveContext } from '../graph/context-move.js';
import { graph } from '../graph/graph.js';

const OPERATION = 'x-blockdev-set-iothread';

/** QAPI: x-blockdev-set-iothread. */
export interface SetIothreadArguments {
  readonly 'node-name': string;
  /** Where to, or the name of an IOThread; null: the main loop. */
  readonly iothread: AioContext | string | null;
}

/** What {@link xBlockdevSetIothread} may do. */
export interface SetIothreadOptions {
  /** Even if a backend is on the node. It may refuse all the same. */
  readonly force?: boolean | undefined;
}

/**
 * Moves a node, and all that hangs together with it, into an IOThread or out of it.
 * (QMP: x-blockdev-set-iothread)
 *
 * @throws (rejects) BlockError: ENOENT for an unknown node or thread, EBUSY for a node with a
 * backend unless forced, EPERM when somebody refuses to move; then nothing has moved.
 */
export async function xBlockdevSetIothread(
  { 'node-name': name, iothread }: SetIothreadArguments,
  { force = false }: SetIothreadOptions = {},
): Promise<void> {
  if (typeof name !== 'string') throw invalidArgumentType('node-name', 'of type string', name);
  await graph().lock.run(OPERATION, async (change) => {
    const node = graph().names.node(name);
    if (node === undefined) throw failure(Errno.ENOENT, `there is no node named '${name}'`);
    if (node.hasBackend && !force) {
      const text = `node '${name}' has a backend and could be in use (force overrides this)`;
      throw failure(Errno.EBUSY, text);
    }
    await moveContext(graph(), node, contextOf(iothread), undefined, change);
  });
}

function contextOf(iothread: AioContext | string | null): AioContext {
  if (iothread === null) return AioContext.main;
  if (iothread instanceof AioContext) return iothread;
  const found = AioContext.ioThread(iothread);
  if (found === undefined) throw failure(Errno.ENOENT, `there is no IOThread '${iothread}'`);
  return found;
}

function failure(errno: number, text: string): BlockError {
  return new BlockError(errno, { operation: OPERATION, text });
}
