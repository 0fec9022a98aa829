// The code in README.md and docs/, run as a user would who copied it.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withFolder } from './blk.js';

const root = join(__dirname, '../..');

/** The JavaScript samples of a page, in order. */
export function samplesOf(page: string): string[] {
  const text = readFileSync(join(root, page), 'utf8');
  return [...text.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code);
}

/** A user's folder: the package is installed, and there is a small disk.img. */
export function makeUserFolder(folder: string): void {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/block-backend'));
  writeFileSync(
    join(folder, 'disk.img'),
    Buffer.alloc(1 << 20, Buffer.from([...Array(512).keys()])),
  );
}

/** Runs the code in a user's folder; `check` sees the image and what was printed. */
export function runSample(
  code: string,
  check: (image: Buffer, output: string) => void,
): Promise<void> {
  return withFolder(async (folder) => {
    makeUserFolder(folder);
    writeFileSync(join(folder, 'sample.mjs'), code);
    const { stdout } = await promisify(execFile)(process.execPath, ['sample.mjs'], { cwd: folder });
    check(readFileSync(join(folder, 'disk.img')), stdout);
  });
}

/**
 * What the code says that it prints: the comment behind a console.log, or in the lines below it.
 * '...' stands for anything.
 */
export function promisedOutput(code: string): string[] {
  const promised: string[] = [];
  let prints = false;
  for (const line of code.split('\n')) {
    const [, comment] = /(?:^| )\/\/ (.*)$/.exec(line) ?? [];
    prints = line.includes('console.log(') || (prints && line.startsWith('//'));
    if (prints && comment !== undefined) promised.push(comment);
  }
  return promised;
}

/** Whether the lines are those that were promised. */
export function keepsPromise(output: string, promised: readonly string[]): boolean {
  const lines = output.trimEnd().split('\n');
  const fits = (line: string, wanted: string): boolean => {
    const parts = wanted.split('...').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(line);
  };
  return (
    lines.length === promised.length &&
    lines.every((line, index) => fits(line, promised[index] as string))
  );
}
