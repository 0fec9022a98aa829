// The programs in examples/, as users run them. The one that serves metrics has a test of its own.
import { execFile } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolder } from './support/blk';
import { makeUserFolder } from './support/samples';

const root = join(__dirname, '..');

/** What the example prints on standard output; it must end well. */
async function example(folder: string, name: string, ...args: string[]): Promise<string> {
  const program = join(root, 'examples', name);
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [program, ...args], { cwd: folder });
  return stdout;
}

const inFolder = (body: (folder: string) => Promise<void>): Promise<void> =>
  withFolder((folder) => {
    makeUserFolder(folder);
    return body(folder);
  });

test('examples: each fits on a page and begins with how it is run', () => {
  const names = readdirSync(join(root, 'examples'));
  expect(names).toHaveLength(5);
  for (const name of names) {
    const lines = readFileSync(join(root, 'examples', name), 'utf8').split('\n');
    expect([name, lines.length <= 80]).toEqual([name, true]);
    const [head = ''] = lines.join('\n').split('import', 1);
    expect(head).toMatch(/^\/\/ [A-Z]/);
    expect(head).toContain(`//   node examples/${name} `);
  }
});

test('examples: a device model reads a sector for its guest', () =>
  inFolder(async (folder) => {
    const output = await example(folder, 'device-model.mjs', 'disk.img');
    expect(output).toMatch(/^40 000102030405[0-9a-f]{52}\n$/);
  }));

test('examples: a throttled copy is equal, leaves zeroes out, and shows its progress', () =>
  inFolder(async (folder) => {
    const source = join(folder, 'source.img');
    const data = readFileSync(join(folder, 'disk.img'));
    writeFileSync(source, Buffer.concat([data, Buffer.alloc(1 << 20)]));
    // Of 1 MiB of data a quarter goes at once, and a limit holds up the rest.
    const output = await example(folder, 'throttled-copy.mjs', source, 'copy.img', '2');
    expect(readFileSync(join(folder, 'copy.img')).equals(readFileSync(source))).toBe(true);
    expect(output).toMatch(/^copied \d+ of 2097152 bytes\n$/);
  }));

test('examples: a graph changes under load, and no write is lost', () =>
  inFolder(async (folder) => {
    const output = await example(folder, 'live-graph.mjs', 'disk.img');
    expect(output).toMatch(/filter; copy-on-read[\s\S]*is gone again/);
    expect(output).toMatch(/in iothread io0\nit is in the main loop\n\d+ writes, each of them/);
  }));

test('examples: workers have a disk each', () =>
  inFolder(async (folder) => {
    copyFileSync(join(folder, 'disk.img'), join(folder, 'other.img'));
    const output = await example(folder, 'workers.mjs', 'disk.img', 'other.img');
    expect(output).toMatch(/^disk\.img: [1-9]\d* reads.*\nother\.img: [1-9]\d* reads.*\n$/);
  }));
