import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolder } from './support/blk';

const root = join(__dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

describe('readme', () => {
  test('readme: the example runs as it stands', async () => {
    const [, example = ''] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
    await withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      writeFileSync(image, Buffer.alloc(4096, Buffer.from([...Array(512).keys()])));
      const code = example.replace('disk.img', image);
      await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
        cwd: root,
      });
      const after = readFileSync(image);
      expect(after.subarray(512, 1024)).toEqual(after.subarray(0, 512));
    });
  });

  test('readme: what it names exists', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const commands = [...readme.matchAll(/npm (?:run )?(demo|test|bench|build)/g)];
    expect(commands.length).toBeGreaterThan(0);
    for (const [, name = ''] of commands) expect(Object.keys(scripts)).toContain(name);
    const files = [...readme.matchAll(/\]\((docs\/[^)]+)\)/g), ...readme.matchAll(/ (dist\/\S+)/g)];
    expect(files.length).toBeGreaterThan(0);
    for (const [, path = ''] of files)
      expect([path, existsSync(join(root, path))]).toEqual([path, true]);
  });
});
