// The samples in the comments of lib/, which the reference shows.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformSync } from '@swc/core';

const root = join(__dirname, '../..');

function samplesIn(file: string): string[] {
  const text = readFileSync(join(root, 'lib', file), 'utf8');
  return [...text.matchAll(/^ *\* ```js\n([\s\S]*?)^ *\* ```/gm)].map(([, code = '']) =>
    code.replaceAll(/^ *\* ?/gm, ''),
  );
}

export function docstringSamples(): string[] {
  const files = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' });
  return files
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .flatMap(samplesIn);
}

/** What the samples take for granted. */
const BEFORE = `
await blockdevAdd({ driver: 'null-co', 'node-name': 'disk0' });
const blk = await BlockBackend.open('disk0', { name: 'drive0' });
const stopping = new AbortController();
const { signal } = stopping;
setTimeout(() => stopping.abort(), 50);
const requests = [{ offset: 0, buffer: Buffer.alloc(512), done: () => {} }];
`;

/** All samples as one program, each with names of its own; 'using' as older versions of Node need it. */
export function docstringProgram(): string {
  const blocks = docstringSamples().map((code) => `{\n${code}}\n`);
  const code = `${BEFORE}${blocks.join('')}await blk.close();\n`;
  const names = Object.keys(require(join(root, 'dist/index.js')) as object);
  const used = names.filter((name) => new RegExp(`\\b${name}\\b`).test(code));
  const program = `import { ${used.join(', ')} } from 'block-backend';\n${code}`;
  const options = { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } } as const;
  return transformSync(program, { ...options, isModule: true }).code;
}
