import { blockdevDel } from '../../lib/index.js';
import { image } from '../support/images.js';
import { diskNode, listen } from '../support/nbd.js';

describe('nbd: options', () => {
  test('nbd: name and description of an export are at most 4096 bytes, none of them zero', async () => {
    const node = await diskNode(image(4096));
    const server = await listen();
    try {
      for (const key of ['name', 'description']) {
        const add = (text: string) =>
          server.addExport({ id: 'e1', 'node-name': node, [key]: text });
        await expect(add('é'.repeat(2049))).rejects.toThrow(`${key} is longer than 4096 bytes`);
        await expect(add('a\0b')).rejects.toThrow(`${key} has a zero byte`);
        const item = await add('é'.repeat(2048));
        await item.remove();
      }
    } finally {
      await server.close();
      await blockdevDel(node);
    }
  });
});
