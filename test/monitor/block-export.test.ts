import {
  blockdevDel,
  blockExportAdd,
  blockExportDel,
  nbdServerStart,
  nbdServerStop,
  queryBlockExports,
} from '../../lib/index.js';
import { image } from '../support/images.js';
import { diskNode, socketPath } from '../support/nbd.js';
import { Command, NbdClient } from '../support/nbd-client.js';
import { codeOf } from '../support/requests.js';

describe('block-export', () => {
  test('EXP-5: commands need a server that runs; a second one is an error', async () => {
    const node = await diskNode(image(1 << 20));
    const options = { type: 'nbd', id: 'e1', 'node-name': node } as const;
    expect(await codeOf(blockExportAdd(options))).toBe('EINVAL');
    expect(await codeOf(nbdServerStop())).toBe('EINVAL');
    const addr = { type: 'unix', path: socketPath() } as const;
    await nbdServerStart({ addr });
    expect(await codeOf(nbdServerStart({ addr }))).toBe('EEXIST');
    expect(await codeOf(nbdServerStart({ addr: { type: 'unix', path: socketPath() } }))).toBe(
      'EEXIST',
    );
    await blockExportAdd(options);
    expect(queryBlockExports()).toEqual([
      { id: 'e1', type: 'nbd', 'node-name': node, 'shutting-down': false },
    ]);
    const wire = await NbdClient.ready(addr, node);
    expect(await codeOf(blockExportDel({ id: 'e1' }))).toBe('EBUSY');
    expect(await codeOf(blockExportDel({ id: 'e2' }))).toBe('ENOENT');
    const deleted = blockExportDel({ id: 'e1', mode: 'hard' });
    expect(queryBlockExports()[0]?.['shutting-down']).toBe(true);
    await Promise.all([deleted, wire.ended()]);
    expect(queryBlockExports()).toEqual([]);
    await blockExportAdd(options);
    const last = await NbdClient.ready(addr, node);
    expect((await last.request({ command: Command.read, length: 512 })).error).toBe(0);
    await Promise.all([nbdServerStop(), last.ended()]);
    await nbdServerStart({ addr });
    await nbdServerStop();
    await blockdevDel(node);
  });
});
