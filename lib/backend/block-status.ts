// What a range of a disk is, as its block status says.

import { StatusFlag, StatusMemory } from '../aio/protocol.js';

/** A frozen answer: `bytes` bytes from the asked offset on are alike. (BDRV_BLOCK_*) */
export interface BlockStatus {
  /** 0 at or past the end, and when nothing was asked for; never past the end. */
  readonly bytes: number;
  /** The bytes are data of some node. */
  readonly data: boolean;
  /** They read as zeroes. Not set does not mean that they do not. */
  readonly zero: boolean;
  /** This layer decides what is read, and not a backing file. */
  readonly allocated: boolean;
  /** The range ends where the disk ends, or lies past it. */
  readonly endOfFile: boolean;
  /** Where the bytes are in `node`; undefined: nowhere in particular. (BDRV_BLOCK_OFFSET_VALID) */
  readonly offset: number | undefined;
  /** The name of the node that holds them. */
  readonly node: string | undefined;
  /** Which layer of the backing chain says so: 1 for the top one. */
  readonly depth: number;
}

/** Whether a range is allocated, and for how many bytes that holds. */
export interface Allocation {
  readonly allocated: boolean;
  readonly bytes: number;
}

/** The first layer that has a range allocated, and for how many bytes that holds. */
export interface AllocationDepth {
  /** 1 for the top layer, 2 for its backing file ...; 0: none of them. */
  readonly depth: number;
  readonly bytes: number;
}

/** The memory of one query; native/ reads and writes it. */
export class StatusQueryMemory {
  readonly words = new Float64Array(StatusMemory.bytes / Float64Array.BYTES_PER_ELEMENT);

  /** @param base the id of the node to stop at; 0 for none. */
  constructor(base: number) {
    this.words[StatusMemory.base] = base;
  }

  get isAllocated(): boolean {
    return this.#has(StatusFlag.allocated);
  }

  get depth(): number {
    return this.words[StatusMemory.depth] as number;
  }

  answer(bytes: number, nodeName: (id: number) => string | undefined): BlockStatus {
    const valid = this.#has(StatusFlag.offsetValid);
    return Object.freeze({
      bytes,
      data: this.#has(StatusFlag.data),
      zero: this.#has(StatusFlag.zero),
      allocated: this.isAllocated,
      endOfFile: this.#has(StatusFlag.endOfFile),
      offset: valid ? this.words[StatusMemory.offset] : undefined,
      node: valid ? nodeName(this.words[StatusMemory.node] as number) : undefined,
      depth: Math.max(1, this.depth),
    });
  }

  #has(flag: number): boolean {
    return ((this.words[StatusMemory.flags] as number) & flag) !== 0;
  }
}
