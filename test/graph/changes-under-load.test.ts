// Random changes of a graph while requests run: none is lost and no byte is wrong.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  AioContext,
  BlockBackend,
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  dropFilter,
  graphDump,
  replaceNode,
} from '../../lib/index.js';
import { scratchFolder } from '../support/matrix.js';
import { chooseSeed, type Random, randomNumbers } from '../support/random.js';

const BLOCK = 4096;
const BLOCKS_EACH = 16;
const LANES = 12;
const ROUNDS = Number(process.env.BLOCK_BACKEND_TEST_STEPS ?? 300);
const seed = chooseSeed();

const folder = scratchFolder();

interface Load {
  stop(): Promise<number>;
}

/** Each lane writes stamps into blocks of its own and reads them back. */
function startLoad(blk: BlockBackend): Load {
  let stopped = false;
  const lane = async (index: number): Promise<number> => {
    const data = blk.allocate(BLOCK);
    let done = 0;
    for (; !stopped; done += 1) {
      const offset = (index * BLOCKS_EACH + (done % BLOCKS_EACH)) * BLOCK;
      data.fill((done % 251) + 1);
      await blk.pwrite(offset, data);
      data.fill(0);
      await blk.pread(offset, data);
      const expected = (done % 251) + 1;
      if (!data.every((byte) => byte === expected)) throw new Error(`lane ${index}, ${offset}`);
    }
    return done;
  };
  const lanes = Array.from({ length: LANES }, (_, index) => lane(index));
  return {
    async stop() {
      stopped = true;
      return (await Promise.all(lanes)).reduce((sum, done) => sum + done, 0);
    },
  };
}

/** One change of each kind; all of them put the graph back. */
function changesOf(blk: BlockBackend, contexts: readonly AioContext[]) {
  const pick = (random: Random) => contexts[random(contexts.length)] as AioContext;
  return [
    (random: Random) => blk.setContext(pick(random)),
    async () => {
      await blockdevAdd({
        driver: 'x-probe',
        'node-name': 'between',
        filter: true,
        file: 'format',
      });
      await replaceNode('format', 'between');
      await dropFilter('between');
      await blockdevDel('between');
    },
    () => blockdevReopen([{ driver: 'raw', 'node-name': 'format', file: 'protocol' }]),
    async () => (await blk.drained()).end(),
    () =>
      blk.setPermissions(
        ['consistent-read', 'write'],
        ['consistent-read', 'write-unchanged', 'write', 'resize'],
      ),
    async () => {
      await using reader = new BlockBackend({ permissions: ['consistent-read'] });
      await reader.insert('format');
    },
  ];
}

test.each(['io_uring', 'threads'] as const)(
  'GRAPH-33: random changes of a graph on %s, moves between loops included, lose nothing',
  async (aio) => {
    console.log(`GRAPH-33 seed ${seed}`);
    const random = randomNumbers(seed);
    const filename = join(folder, `${aio}.img`);
    writeFileSync(filename, Buffer.alloc(LANES * BLOCKS_EACH * BLOCK));
    await using first = new AioContext({ name: 'first', aio });
    await using second = new AioContext({ name: 'second', aio });
    const file = { driver: 'file', 'node-name': 'protocol', filename, 'auto-read-only': true };
    const blk = await BlockBackend.open(
      { driver: 'raw', 'node-name': 'format', file },
      { name: 'drive', context: first },
    );
    const before = JSON.stringify(graphDump().edges);
    const load = startLoad(blk);
    const changes = changesOf(blk, [first, second, AioContext.main]);
    for (let round = 0; round < ROUNDS; round += 1) await changes[random(changes.length)]?.(random);
    expect(await load.stop()).toBeGreaterThan(LANES);
    expect(blk.inFlight).toBe(0);
    expect(JSON.stringify(graphDump().edges)).toBe(before);
    await blk.close();
    expect(graphDump()).toEqual({ nodes: [], backends: [], edges: [] });
  },
  120_000,
);
