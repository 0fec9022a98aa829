// What must be there after a crash. It knows what was asked and when it was acknowledged, and
// nothing about how that is done: it imports nothing from the product.

export const SECTOR = 512;

/** What the workload wrote down, in order. */
export interface CrashEvent {
  readonly type: 'submit' | 'ack';
  /** Of the request. */
  readonly id: number;
  readonly kind: 'write' | 'zero' | 'flush';
  /** First, and how many; of a flush 0. */
  readonly sector: number;
  readonly count: number;
  /** Durable by itself: FUA, or the write cache was off. */
  readonly fua: boolean;
  /** Entries in the log when it was acknowledged. */
  readonly entries?: number;
}

/** What the log holds, in order. */
export interface Logged {
  readonly index: number;
  readonly sector: number;
  readonly count: number;
  readonly flush: boolean;
}

/** What one sector was given, in order: requests for it never overlap. */
interface Version {
  readonly id: number;
  readonly content: Buffer;
  /** A crash after so many entries must leave this or something later. */
  durableFrom: number;
}

export interface Loss {
  readonly sector: number;
  /** The request that must not be lost. */
  readonly id: number;
  /** What is there instead. */
  readonly found: string;
}

const digits = (number: number, count: number): string => String(number).padStart(count, '0');

function stamped(letter: string, id: number, sector: number): Buffer {
  const stamp = `${letter}${digits(id, 7)}.${digits(sector, 6)}\n`;
  return Buffer.from(stamp.repeat(SECTOR / stamp.length), 'latin1');
}

/** An image of `sectors` sectors before anything happened. */
export function initialImage(sectors: number): Buffer {
  return Buffer.concat(Array.from({ length: sectors }, (_, sector) => stamped('I', 0, sector)));
}

export class CrashModel {
  readonly sectors: number;
  /** By sector. */
  readonly #versions: Version[][];
  readonly #flushes: readonly number[];
  /** Of each range the entries that are not matched with a request yet. */
  readonly #entries = new Map<string, number[]>();

  /** Without `logged` promises are kept from their acknowledgements on, which come later. */
  constructor(sectors: number, events: readonly CrashEvent[], logged: readonly Logged[] = []) {
    this.sectors = sectors;
    this.#flushes = logged.filter(({ flush }) => flush).map(({ index }) => index);
    for (const { index, sector, count } of logged) {
      const range = `${sector}+${count}`;
      this.#entries.set(range, [...(this.#entries.get(range) ?? []), index]);
    }
    this.#versions = Array.from({ length: sectors }, (_, sector) => [
      { id: -1, content: stamped('I', 0, sector), durableFrom: 0 },
    ]);
    this.#read(events);
  }

  /** Sectors that do not hold what they must after a crash that came after so many entries. */
  losses(image: Buffer, entries: number): Loss[] {
    const losses: Loss[] = [];
    for (let sector = 0; sector < this.sectors; sector += 1) {
      const content = image.subarray(sector * SECTOR, (sector + 1) * SECTOR);
      const loss = this.#loss(sector, content, entries);
      if (loss !== undefined) losses.push(loss);
    }
    return losses;
  }

  #loss(sector: number, content: Buffer, entries: number): Loss | undefined {
    const versions = this.#versions[sector] ?? [];
    const least = versions.findLastIndex(({ durableFrom }) => durableFrom <= entries);
    // Upwards: what was last promised is what most states hold.
    for (let index = least; index < versions.length; index += 1) {
      if (versions[index]?.content.equals(content)) return undefined;
    }
    const found = content.toString('latin1', 0, 16);
    return { sector, id: versions[least]?.id ?? -1, found };
  }

  #read(events: readonly CrashEvent[]): void {
    /** Acknowledged, and not durable as far as anybody promised. */
    let open: CrashEvent[] = [];
    /** What a flush that is under way covers. */
    const covered = new Map<number, readonly CrashEvent[]>();
    for (const event of events) {
      const { type, id, kind, entries = 0 } = event;
      if (kind === 'flush' && type === 'submit') covered.set(id, [...open]);
      else if (kind === 'flush') {
        const durable = this.#flushedBy(entries);
        for (const written of covered.get(id) ?? []) this.#promise(written, durable);
        open = open.filter((written) => !covered.get(id)?.includes(written));
        covered.delete(id);
      } else if (type === 'submit') this.#add(event);
      else {
        const index = this.#entryOf(event);
        if (event.fua) this.#promise(event, index === undefined ? entries : index + 1);
        else open.push(event);
      }
    }
  }

  /**
   * What a flush promises it keeps from its own entry on, not only from its acknowledgement, when
   * others may have been written behind it.
   */
  #flushedBy(entries: number): number {
    const last = this.#flushes.findLast((index) => index < entries);
    return last === undefined ? entries : last + 1;
  }

  /** Requests for a range never overlap, so their entries stand in the log in their order. */
  #entryOf({ sector, count }: CrashEvent): number | undefined {
    return this.#entries.get(`${sector}+${count}`)?.shift();
  }

  #add({ id, kind, sector: first, count }: CrashEvent): void {
    for (let sector = first; sector < first + count; sector += 1) {
      const content = kind === 'zero' ? Buffer.alloc(SECTOR) : stamped('W', id, sector);
      this.#versions[sector]?.push({ id, content, durableFrom: Number.POSITIVE_INFINITY });
    }
  }

  #promise({ id, sector: first, count }: CrashEvent, entries: number): void {
    for (let sector = first; sector < first + count; sector += 1) {
      const version = this.#versions[sector]?.find((one) => one.id === id);
      if (version !== undefined) version.durableFrom = Math.min(version.durableFrom, entries);
    }
  }
}
