import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { blk, withFolder } from '../support/blk';
import { parseDot } from '../support/dot-parser';
import { parseXml } from '../support/xml-parser';

const BASE = 'json:{"driver":"null-co","size":1048576,"node-name":"base"}';
const ABOVE = 'json:{"driver":"raw","node-name":"above","file":"base"}';

async function graph(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await blk(['graph', ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

describe('graph', () => {
  test('graph: a path is raw over file, read-only', async () => {
    await withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      writeFileSync(image, Buffer.alloc(4096));
      const text = await graph(image);
      expect(text).toMatch(/^block-backend #1; context main, .*asked for consistent-read;/);
      expect(text).toMatch(
        /raw, read-only; .*\n {3}└─ file \(filtered, primary\); holds consistent-read;/,
      );
      expect(text).toContain(`filename=${image}`);
      expect(await graph(image, '--writable')).toMatch(/file .*holds consistent-read, write;/);
      expect(readFileSync(image)).toEqual(Buffer.alloc(4096));
    });
  });

  test('graph: later images name nodes of earlier ones, which are described once', async () => {
    const text = await graph(BASE, ABOVE, '--iothread');
    expect(text).toContain('base; null-co, read-only; context blk, quiesce count 0; size=1048576');
    expect(text).toContain('      base (see above)\n');
  });

  test('graph: every format, to standard output or a file', async () => {
    await withFolder(async (folder) => {
      const output = join(folder, 'graph.svg');
      writeFileSync(output, 'what was there before'.repeat(1000));
      expect(await graph(BASE, ABOVE, '--format', 'svg', '--output', output)).toBe('');
      expect(parseXml(readFileSync(output, 'utf8')).name).toBe('svg');
      expect(parseDot(await graph(BASE, ABOVE, '--format', 'dot')).nodes.size).toBe(4);
      const { nodes, backends, edges } = JSON.parse(await graph(BASE, ABOVE, '--json'));
      expect(nodes.map(({ name }: { name: string }) => name)).toEqual(['above', 'base']);
      expect([backends.length, edges.length]).toEqual([2, 3]);
    });
  });

  test('graph: the picture does not replace the disk', async () => {
    await withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      writeFileSync(image, Buffer.alloc(4096, 1));
      const { code, stderr } = await blk(['graph', image, '--output', join(folder, './disk.img')]);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/^blk: --output .* is a file of the image\n$/),
      });
      expect(readFileSync(image)).toEqual(Buffer.alloc(4096, 1));
    });
  });
});
