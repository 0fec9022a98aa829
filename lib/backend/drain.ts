import { BlockUsageError } from '../errors/block-error.js';
import { type DrainSection, withNode } from '../graph/drain.js';
import { graph } from '../graph/graph.js';
import { BackendContexts } from './contexts.js';

/** Drained sections that begin at a backend. */
export abstract class BackendDrain extends BackendContexts {
  readonly #sections: DrainSection[] = [];

  /**
   * A drained section over the node, everything above it, and this backend: requests that come from
   * now on wait for its end, and the promise resolves when those under way are done. It takes
   * effect before this returns. (bdrv_drained_begin)
   *
   * ```js
   * await using section = await blk.drained();
   * ```
   */
  async drained(): Promise<DrainSection> {
    const section = this.beginSection();
    await section.quiet();
    return section;
  }

  /** Like {@link drained}, to be ended by {@link drainEnd}. */
  drainBegin(): Promise<void> {
    const section = this.beginSection();
    this.#sections.push(section);
    return section.quiet();
  }

  /**
   * Ends the section that drainBegin() began last. Requests that waited have started, in order,
   * when it returns, unless other sections hold them back. (bdrv_drained_end)
   *
   * @throws BlockUsageError when all sections have ended.
   */
  drainEnd(): void {
    const section = this.#sections.pop();
    if (section === undefined) throw new BlockUsageError('drainEnd() without drainBegin()');
    section.end();
  }

  /**
   * A drained section covers it, whoever began it: between `drainedBegin` and `drainedEnd` of its
   * device. (blk_in_drain)
   */
  get inDrain(): boolean {
    return this.graphRoot.isQuiesced;
  }

  /** A device's drainedPoll() may give another answer now. */
  kickDrain(): void {
    graph().drains.kick();
  }

  /** @internal Over the node and this backend, as they are while it lasts. */
  protected beginSection(): DrainSection {
    const root = this.graphRoot;
    return graph().drains.begin(() => withNode(root));
  }
}
