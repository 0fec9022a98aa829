// This package's side: the same requests through a BlockBackend.
import { AioContext, BlockBackend } from '../../dist/index.mjs';

async function engines() {
  try {
    await new AioContext({ aio: 'io_uring' }).close();
    return ['threads', 'io_uring'];
  } catch {
    return ['threads'];
  }
}

/** Every engine that this host has, at both homes. */
export async function contexts() {
  return (await engines()).flatMap((aio) => ['node', 'iothread'].map((home) => ({ aio, home })));
}

async function run(blk, { kind, offset, bytes, pattern, fua, unmap, size }) {
  switch (kind) {
    case 'read': {
      const data = Buffer.alloc(bytes, 0xee);
      await blk.pread(offset, data);
      return data;
    }
    case 'write':
      return blk.pwrite(offset, Buffer.alloc(bytes, pattern), { fua });
    case 'zero':
      return blk.pwriteZeroes(offset, bytes, { fua, mayUnmap: unmap });
    case 'discard':
      return blk.pdiscard(offset, bytes);
    case 'truncate':
      return blk.truncate(size, { exact: false });
    default:
      return blk.flush();
  }
}

async function outcomeOf(blk, request) {
  try {
    const result = await run(blk, request);
    return request.kind === 'read' ? { code: 'ok', data: result } : { code: 'ok' };
  } catch (error) {
    return { code: error.code };
  }
}

async function withBackend({ options, context: made }, settings, body) {
  const context = new AioContext(made);
  try {
    const blk = await BlockBackend.open(options, { context, ...settings });
    try {
      return await body(blk, context);
    } finally {
      await blk.close();
    }
  } finally {
    await context.close();
  }
}

/** Runs the requests, one after the other, and gives an outcome for each. */
export function runOurs(image, requests) {
  return withBackend(image, { resize: true }, async (blk) => {
    const outcomes = [];
    for (const request of requests) outcomes.push(await outcomeOf(blk, request));
    return outcomes;
  });
}

/** What the file is, as qemu-img map writes it: [{ start, length, present, zero, data, offset }]. */
export function mapOf(filename, context) {
  const options = { driver: 'raw', 'read-only': true, file: { driver: 'file', filename } };
  return withBackend({ options, context }, {}, async (blk) => {
    const map = [];
    for (let start = 0; ; ) {
      const status = await blk.blockStatus(start, 2 ** 40);
      if (status.bytes === 0) return map;
      const { bytes: length, allocated: present, zero, data, offset } = status;
      map.push({ start, length, present, zero, data, offset });
      start += length;
    }
  });
}
