// The states that a crash can leave: made from the log by the product's own replay, and looked at by
// the model. Every prefix; and of every flush epoch prefixes from which entries that nothing protects
// are left out.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replayWriteLog, WriteLog, type WriteLogEntry } from '../../lib/index.js';
import type { Random } from '../support/random.js';
import { type CrashModel, initialImage, type Loss } from './model.js';

export interface Looked {
  /** At most a few: one is enough. */
  readonly losses: { readonly after: number; readonly what: string; readonly loss: Loss }[];
  readonly entries: number;
  readonly epochs: number;
  /** Epochs in which something was written: others have nothing to leave out. */
  readonly writtenEpochs: number;
  readonly prefixes: number;
  readonly subsets: number;
  /** Entries that subsets left out. */
  readonly leftOut: number;
}

export interface StateOptions {
  readonly log: string;
  /** For the images. */
  readonly folder: string;
  readonly model: CrashModel;
  readonly random: Random;
  /** Of each epoch. */
  readonly subsets: number;
}

const MOST_LOSSES = 5;

export class CrashStates {
  readonly #options: StateOptions;
  readonly #log: WriteLog;
  readonly #prefix: string;
  readonly #epoch: string;
  readonly #state: string;
  readonly #looked = {
    losses: [] as Looked['losses'],
    writtenEpochs: 0,
    prefixes: 0,
    subsets: 0,
    leftOut: 0,
  };

  private constructor(options: StateOptions, log: WriteLog) {
    this.#options = options;
    this.#log = log;
    const { folder, model } = options;
    this.#prefix = join(folder, 'prefix.img');
    this.#epoch = join(folder, 'epoch.img');
    this.#state = join(folder, 'state.img');
    writeFileSync(this.#prefix, initialImage(model.sectors));
    copyFileSync(this.#prefix, this.#epoch);
  }

  /** Looks at them all. The image as it is after the last entry is left in `folder`. */
  static async look(options: StateOptions): Promise<Looked & { image: Buffer }> {
    const log = await WriteLog.open(options.log);
    try {
      const states = new CrashStates(options, log);
      const epochs = await states.#lookAtAll();
      const image = readFileSync(states.#prefix);
      return { ...states.#looked, entries: log.entryCount, epochs, image };
    } finally {
      await log.close();
    }
  }

  async #lookAtAll(): Promise<number> {
    let epochs = 0;
    let open: WriteLogEntry[] = [];
    this.#check(this.#prefix, 0, 'prefix');
    for await (const entry of this.#log.entries()) {
      const { index } = entry;
      await this.#replay(this.#prefix, [entry]);
      this.#check(this.#prefix, index + 1, 'prefix');
      this.#looked.prefixes += 1;
      open.push(entry);
      if (!entry.flush) continue;
      await this.#lookAtEpoch(open);
      copyFileSync(this.#prefix, this.#epoch);
      epochs += 1;
      open = [];
    }
    await this.#lookAtEpoch(open);
    return epochs + (open.length > 0 ? 1 : 0);
  }

  /** `entries` since a flush; the last one may be the next flush, which would make all durable. */
  async #lookAtEpoch(entries: readonly WriteLogEntry[]): Promise<void> {
    const open = entries.filter(({ flush }) => !flush);
    const first = entries[0]?.index ?? 0;
    if (open.length === 0) return;
    this.#looked.writtenEpochs += 1;
    const { random, subsets } = this.#options;
    for (let count = 0; count < subsets; count += 1) {
      // The first one loses all that may be lost, so that no promise is missed by chance.
      const worst = count === 0;
      const reached = worst ? open : open.slice(0, 1 + random(open.length));
      const odds = worst ? 0 : 1 + random(9);
      const left = reached.filter(({ fua }) => fua || random(10) < odds);
      copyFileSync(this.#epoch, this.#state);
      await this.#replay(this.#state, left);
      this.#check(this.#state, first + reached.length, 'subset');
      this.#looked.subsets += 1;
      this.#looked.leftOut += reached.length - left.length;
    }
  }

  async #replay(target: string, entries: readonly WriteLogEntry[]): Promise<void> {
    await replayWriteLog({ log: this.#log, target, entries });
  }

  #check(image: string, entries: number, what: string): void {
    const { losses } = this.#looked;
    for (const loss of this.#options.model.losses(readFileSync(image), entries)) {
      if (losses.length < MOST_LOSSES) losses.push({ after: entries, what, loss });
    }
  }
}
