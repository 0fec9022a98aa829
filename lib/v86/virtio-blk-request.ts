// What one virtio-blk request asks for, and its answer (VIRTIO 1.2, 5.2.6).

import type { BlockBackend } from '../block-backend.js';
import type { ErrorHolder } from './error-holder.js';
import type { BufferChain, VirtioDescriptor } from './machine.js';
import { MAX_RANGE_SECTORS, SECTOR } from './virtio-blk-config.js';

const HEADER_BYTES = 16;
const ID_BYTES = 20;
const UNMAP = 1;

const Type = { in: 0, out: 1, flush: 4, getId: 8, discard: 11, writeZeroes: 13 } as const;

/** VIRTIO_BLK_S_*; none: nobody waits for the answer any more. */
export const Status = { ok: 0, ioError: 1, unsupported: 2, none: -1 } as const;
type StatusCode = (typeof Status)[keyof typeof Status];

export interface Answer {
  readonly status: StatusCode;
  /** Fills all that the guest may be given before the status. */
  readonly data: Uint8Array;
}

export interface Disk {
  readonly blk: BlockBackend;
  readonly holder: ErrorHolder;
  readonly serial: string;
  readonly writeThrough: boolean;
}

/** Whether a chain has a header and a place for its status, all of it inside the guest's memory. */
export function chainIsSane(chain: BufferChain, memory: number, maxBytes: number): boolean {
  const inside = ({ addr_low: address, addr_high: high, len }: VirtioDescriptor) =>
    high === 0 && len >= 0 && address >>> 0 <= memory && (address >>> 0) + len <= memory;
  const buffers = [...chain.read_buffers, ...chain.write_buffers];
  return (
    buffers.every(inside) &&
    chain.length_readable >= HEADER_BYTES &&
    chain.length_writable >= 1 &&
    chain.length_readable + chain.length_writable <= maxBytes
  );
}

/** Never rejects. `request`: all that the guest sent; `room`: bytes that it takes back as data. */
export async function perform(request: Uint8Array, room: number, disk: Disk): Promise<Answer> {
  const header = new DataView(request.buffer, request.byteOffset, HEADER_BYTES);
  const type = header.getUint32(0, true);
  const sector = Number(header.getBigUint64(8, true));
  const payload = request.subarray(HEADER_BYTES);
  const data = new Uint8Array(room);
  const status = await dispatch(type, sector, payload, data, disk);
  return { status, data };
}

async function dispatch(
  type: number,
  sector: number,
  payload: Uint8Array,
  data: Uint8Array,
  disk: Disk,
): Promise<StatusCode> {
  const { blk, holder, serial, writeThrough: fua } = disk;
  const offset = sector * SECTOR;
  switch (type) {
    case Type.in:
      if (!wholeSectors(offset, data)) return Status.ioError;
      return run(holder, true, () => blk.pread(offset, data));
    case Type.out:
      if (!wholeSectors(offset, payload)) return Status.ioError;
      return run(holder, false, () => blk.pwrite(offset, payload, { fua }));
    case Type.flush:
      return run(holder, false, () => blk.flush());
    case Type.getId:
      if (data.length < ID_BYTES) return Status.ioError;
      data.set(new TextEncoder().encode(serial).subarray(0, ID_BYTES));
      return Status.ok;
    case Type.discard:
    case Type.writeZeroes:
      return range(type === Type.discard, payload, disk);
    default:
      return Status.unsupported;
  }
}

async function range(isDiscard: boolean, payload: Uint8Array, disk: Disk): Promise<StatusCode> {
  if (payload.length !== 16) return Status.ioError;
  const { blk, holder, writeThrough: fua } = disk;
  const segment = new DataView(payload.buffer, payload.byteOffset, 16);
  const offset = Number(segment.getBigUint64(0, true)) * SECTOR;
  const sectors = segment.getUint32(8, true);
  const flags = segment.getUint32(12, true);
  // A discard has no flag that it may carry, a zero-write this one.
  if ((flags & ~(isDiscard ? 0 : UNMAP)) !== 0) return Status.unsupported;
  if (sectors > MAX_RANGE_SECTORS || !Number.isSafeInteger(offset)) return Status.ioError;
  const bytes = sectors * SECTOR;
  if (isDiscard) return run(holder, false, () => blk.pdiscard(offset, bytes));
  const mayUnmap = (flags & UNMAP) !== 0;
  return run(holder, false, () => blk.pwriteZeroes(offset, bytes, { fua, mayUnmap }));
}

function wholeSectors(offset: number, data: Uint8Array): boolean {
  return Number.isSafeInteger(offset) && data.length > 0 && data.length % SECTOR === 0;
}

async function run(
  holder: ErrorHolder,
  isRead: boolean,
  attempt: () => Promise<unknown>,
): Promise<StatusCode> {
  const outcome = await holder.run(isRead, attempt);
  if (outcome === 'cancelled') return Status.none;
  return outcome === 'reported' ? Status.ioError : Status.ok;
}
