import { AioContext } from '../aio/context.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { moveContext } from '../graph/context-move.js';
import { graph } from '../graph/graph.js';
import { BackendDevice } from './device.js';

/** Where the backend and its medium live, and who is told when that changes. */
export abstract class BackendContexts extends BackendDevice {
  /** The event loop that its requests run in. (blk_get_aio_context) */
  get context(): AioContext {
    return this.graphRoot.context;
  }

  /**
   * Moves the backend and everything that hangs together with its medium to another event loop:
   * requests under way finish where they started, waiting ones follow in order. (blk_set_aio_context)
   *
   * @throws (rejects) BlockError EPERM when another user refuses to move; then nothing has moved.
   */
  async setContext(context: AioContext): Promise<void> {
    if (!(context instanceof AioContext)) {
      throw invalidArgumentType('context', 'an AioContext', context);
    }
    const root = this.graphRoot;
    await graph().lock.run(`move ${root.describe()}`, (change) => {
      this.checkOpen('change context');
      return moveContext(graph(), root, context, root, change);
    });
  }

  /** Follows its medium into any context. (blk_set_allow_aio_context_change) */
  get allowContextChange(): boolean {
    return this.graphRoot.allowsContextChange;
  }

  set allowContextChange(allow: boolean) {
    this.graphRoot.allowsContextChange = allow;
  }

  /**
   * `detach` runs before the medium moves, `attached` after it; a backend without a medium moves
   * silently. Newest first. (blk_add_aio_context_notifier)
   */
  addContextNotifier(
    attached: (context: AioContext, opaque: unknown) => void,
    detach: (opaque: unknown) => void,
    opaque?: unknown,
  ): void {
    this.graphRoot.contextNotifiers.add({ attached, detach, opaque });
  }

  /**
   * They hear nothing more. (blk_remove_aio_context_notifier)
   *
   * @throws BlockUsageError unless exactly these three were added.
   */
  removeContextNotifier(
    attached: (context: AioContext, opaque: unknown) => void,
    detach: (opaque: unknown) => void,
    opaque?: unknown,
  ): void {
    this.graphRoot.contextNotifiers.remove(
      (other) => other.attached === attached && other.detach === detach && other.opaque === opaque,
    );
  }
}
