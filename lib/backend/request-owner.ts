import type { RequestMedium } from '../errors/request-failure.js';
import { graph } from '../graph/graph.js';
import type { GraphRoot } from '../graph/root.js';
import type { RequestOwner } from './request-port.js';

/**
 * What requests ask of their backend. A class, because every request does: V8 gives an object
 * literal with accessors a dictionary, whose getters it neither caches nor inlines.
 */
export class RootOwner implements RequestOwner {
  readonly #root: GraphRoot;

  constructor(root: GraphRoot) {
    this.#root = root;
  }

  get name(): string {
    return this.#root.deviceName;
  }

  get leavesReadBuffers(): boolean {
    return this.#root.leavesReadBuffers;
  }

  nodeName(id: number): string | undefined {
    return graph().nodeName(id);
  }

  medium(): RequestMedium | undefined {
    const { edge, length } = this.#root;
    if (edge === undefined) return undefined;
    const { child, permissions } = edge;
    return { length, readOnly: child.readOnly, permissions };
  }
}
