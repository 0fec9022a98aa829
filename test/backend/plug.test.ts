// Plugs: exact counts, and nobody who waits for what a plug holds waits for ever.
import { type BackendSettings, BlockBackend, probe } from '../../lib/index.js';
import { image } from '../support/images.js';
import { onEveryEngineAndHome, rawOptions } from '../support/matrix.js';
import { codeThrown } from '../support/requests.js';

const PROBED = { driver: 'x-probe', 'node-name': 'probed' } as const;

onEveryEngineAndHome((context) => {
  const settings = (): BackendSettings => ({ context: context() });

  test('PLUG-1: a plug on an empty backend does nothing but count', async () => {
    await using blk = new BlockBackend(settings());
    expect([blk.plug(), blk.plug(), blk.unplug(), blk.unplug()]).toEqual([1, 2, 1, 0]);
  });

  test('PLUG-1: the nodes of a medium are plugged once, however often the backend is', async () => {
    await using blk = await BlockBackend.open(PROBED, settings());
    const { calls } = { calls: (hook: 'plug' | 'unplug') => probe('probed').calls(hook) };
    blk.plug();
    blk.plug();
    expect([calls('plug'), calls('unplug')]).toEqual([1, 0]);
    blk.unplug();
    expect([calls('plug'), calls('unplug')]).toEqual([1, 0]);
    blk.unplug();
    expect([calls('plug'), calls('unplug')]).toEqual([1, 1]);
  });

  test('PLUG-2: one unplug too many is a usage error, and changes nothing', async () => {
    await using blk = await BlockBackend.open(PROBED, settings());
    expect(codeThrown(() => blk.unplug())).toBe('ERR_BLOCK_USAGE');
    expect(blk.plug()).toBe(1);
    expect(blk.unplug()).toBe(0);
    expect(codeThrown(() => blk.unplug())).toBe('ERR_BLOCK_USAGE');
    expect(probe('probed').calls('unplug')).toBe(1);
  });

  test('PLUG-2: a plug of a scope ends once, with the scope or before', async () => {
    await using blk = await BlockBackend.open(PROBED, settings());
    {
      using batch = blk.plugged();
      using _inner = blk.plugged();
      expect(blk.plug()).toBe(3);
      batch.unplug();
      batch.unplug();
      expect(blk.unplug()).toBe(1);
    }
    expect(blk.plug()).toBe(1);
    blk.unplug();
  });

  test('PLUG-2: the plugs of a medium that is taken out are taken back', async () => {
    await using blk = await BlockBackend.open(PROBED, settings());
    await using holder = await BlockBackend.open('probed', { ...settings(), permissions: [] });
    blk.plug();
    blk.plug();
    await blk.remove();
    expect(probe('probed').calls('unplug')).toBe(1);
    await blk.insert('probed');
    expect(probe('probed').calls('plug')).toBe(2);
    expect([blk.unplug(), blk.unplug()]).toEqual([1, 0]);
    expect(probe('probed').calls('unplug')).toBe(2);
    expect(holder.root?.name).toBe('probed');
  });

  test('PLUG-3: what is held goes at the last unplug, and none of it is lost', async () => {
    await using blk = await BlockBackend.open(rawOptions(image(65536)), settings());
    blk.plug();
    blk.plug();
    const writes = Array.from({ length: 16 }, (_, index) =>
      blk.pwrite(index * 4096, Buffer.alloc(4096, index + 1)),
    );
    blk.unplug();
    blk.unplug();
    expect(await Promise.all(writes)).toEqual(Array(16).fill(4096));
    const all = Buffer.alloc(65536);
    await blk.pread(0, all);
    expect(Array.from({ length: 16 }, (_, index) => all[index * 4096])).toEqual(
      Array.from({ length: 16 }, (_, index) => index + 1),
    );
  });

  test('PLUG-3: a drained section over a plugged backend is quiet all the same', async () => {
    await using blk = await BlockBackend.open(
      rawOptions(image(65536, Buffer.from('d'))),
      settings(),
    );
    blk.plug();
    const read = blk.pread(0, Buffer.alloc(4096));
    const section = await blk.drained();
    expect(blk.inFlight).toBe(0);
    expect(await read).toBe(4096);
    section.end();
    expect(blk.unplug()).toBe(0);
  });

  test('PLUG-3: whoever awaits a request while plugged gets it', async () => {
    await using blk = await BlockBackend.open(
      rawOptions(image(65536, Buffer.from('d'))),
      settings(),
    );
    using _batch = blk.plugged();
    for (let index = 0; index < 8; index += 1) {
      expect(await blk.pread(0, Buffer.alloc(4096))).toBe(4096);
      expect(blk.preadSync(0, Buffer.alloc(4096))).toBe(4096);
      expect(await blk.flush()).toBe(0);
    }
  });

  test('PLUG-3: a plugged backend that is closed takes its plugs with it', async () => {
    const filename = image(65536, Buffer.from('d'));
    const blk = await BlockBackend.open(rawOptions(filename), settings());
    const batch = blk.plugged();
    const read = blk.pread(0, Buffer.alloc(4096));
    await blk.close();
    expect(await read).toBe(4096);
    batch.unplug();
    expect(codeThrown(() => blk.plug())).toBe('ENOMEDIUM');
    await using other = await BlockBackend.open(rawOptions(filename), settings());
    expect(await other.pread(0, Buffer.alloc(512))).toBe(512);
  });

  test('PLUG-14: 64 reads past the end of a short file finish while it is plugged', async () => {
    await using blk = await BlockBackend.open(
      { driver: 'file', filename: image(300, Buffer.from('d')), cache: { direct: false } },
      settings(),
    );
    const expected = Buffer.concat([Buffer.alloc(300, 'd'), Buffer.alloc(212)]);
    const buffers = Array.from({ length: 64 }, () => Buffer.alloc(512, 1));
    blk.plug();
    const reads = buffers.map((buffer) => blk.pread(0, buffer));
    expect(await Promise.all(reads)).toEqual(Array(64).fill(512));
    blk.unplug();
    expect(buffers.every((buffer) => buffer.equals(expected))).toBe(true);
  });
});
