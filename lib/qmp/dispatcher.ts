// One command at a time, whichever monitor it came from.

interface Queue {
  readonly waiting: (() => Promise<void>)[];
}

/**
 * Runs what it is given one after the other. Each monitor has a queue of its own, in order; of those
 * that have something waiting each is served in turn, so that none can keep the others out.
 */
export class Dispatcher {
  readonly #queues: Queue[] = [];
  #running = false;

  /** A queue of a new monitor. */
  open(): CommandQueue {
    const queue: Queue = { waiting: [] };
    this.#queues.push(queue);
    return {
      get length(): number {
        return queue.waiting.length;
      },
      push: (work) => {
        queue.waiting.push(work);
        this.#start();
      },
      close: () => {
        const index = this.#queues.indexOf(queue);
        if (index >= 0) this.#queues.splice(index, 1);
        queue.waiting.length = 0;
      },
    };
  }

  #start(): void {
    if (this.#running) return;
    this.#running = true;
    // Not within who pushes: all that one chunk of input holds is queued before anything runs.
    queueMicrotask(() => {
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      const index = this.#queues.findIndex(({ waiting }) => waiting.length > 0);
      const [queue] = index < 0 ? [] : this.#queues.splice(index, 1);
      if (queue === undefined) break;
      this.#queues.push(queue);
      await queue.waiting.shift()?.();
    }
    this.#running = false;
  }
}

export interface CommandQueue {
  /** That wait; one that runs is not among them. */
  readonly length: number;
  /** `work` must not reject. */
  push(work: () => Promise<void>): void;
  /** What waits is dropped. */
  close(): void;
}
