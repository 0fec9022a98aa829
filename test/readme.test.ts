import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolder } from './support/blk';

const root = join(__dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

describe('readme', () => {
  const examples = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code);

  const runExample = (code: string, check: (image: Buffer, output: string) => void) =>
    withFolder(async (folder) => {
      const image = join(folder, 'disk.img');
      writeFileSync(image, Buffer.alloc(4096, Buffer.from([...Array(512).keys()])));
      const args = ['--input-type=module', '-e', code.replace('disk.img', image)];
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
      check(readFileSync(image), stdout);
    });

  test('readme: the first example runs as it stands', () =>
    runExample(examples[0] ?? '', (after) => {
      expect(after.subarray(512, 1024)).toEqual(after.subarray(0, 512));
    }));

  test('readme: the second example runs as it stands', () =>
    runExample(examples[1] ?? '', (_image, output) => {
      expect(output).toMatch(/drive1[\s\S]*window; raw.*offset=1024[\s\S]*image; file/);
    }));

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
