// README.md, the pages in docs/ and how to contribute: all of their code runs, and all of their links lead somewhere.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { docstringProgram, docstringSamples } from './support/docstrings';
import { keepsPromise, promisedOutput, runSample, samplesOf } from './support/samples';
import { runShell, shellSamplesOf } from './support/shell-samples';

const root = join(__dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
const pages = ['README.md', '.github/CONTRIBUTING.md', ...docs.map((name) => `docs/${name}`)];

describe('readme', () => {
  const examples = samplesOf('README.md');

  test('readme: the first example runs as it stands, in eight lines', () => {
    const example = examples[0] ?? '';
    expect(example.split('\n').filter((line) => line !== '')).toHaveLength(8);
    return runSample(example, (after) => {
      expect(after.subarray(512, 1024)).toEqual(after.subarray(0, 512));
    });
  });

  test('readme: the second example runs as it stands', () =>
    runSample(examples[1] ?? '', (_image, output) => {
      expect(output).toMatch(/drive1[\s\S]*window; raw.*offset=1024[\s\S]*image; file/);
    }));
});

describe('docs', () => {
  const programs = pages.filter((page) => page !== 'README.md' && samplesOf(page).length > 0);
  const withCommands = pages.filter((page) => shellSamplesOf(page).length > 0);

  test('docs: what pages link to exists, and the README leads to every page', () => {
    const linked = new Set<string>();
    for (const page of pages) {
      for (const [, path = ''] of read(page).matchAll(/\]\(((?!https?:)[^)#]+)/g)) {
        const target = join(dirname(page), path);
        expect([page, path, existsSync(join(root, target))]).toEqual([page, path, true]);
        if (page === 'README.md') linked.add(target);
      }
    }
    expect(pages.filter((page) => page !== 'README.md' && !linked.has(page))).toEqual([]);
  });

  test('docs: what pages link to within a page is a heading there', () => {
    const anchorsOf = (page: string): string[] =>
      [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
        heading
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-'),
      );
    const wrong = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\(([\w./-]*\.md)?#([^)]+)\)/g)]
        .filter(([, path = '', anchor = '']) => {
          const target = path === '' ? page : join(dirname(page), path);
          return !anchorsOf(target).includes(anchor);
        })
        .map(([link]) => `${page}: ${link}`),
    );
    expect(wrong).toEqual([]);
  });

  test('docs: code is JavaScript or shell, so that it is tested, or else no code', () => {
    const kinds = pages.flatMap((page) =>
      [...read(page).matchAll(/^ *```(\w+)$/gm)].map(([, kind = '']) => `${page} ${kind}`),
    );
    expect(kinds.filter((kind) => !/ (js|sh|mermaid)$/.test(kind))).toEqual([]);
    expect(programs.length).toBeGreaterThanOrEqual(9);
  });

  test.each(programs)(
    'docs: the samples of %s are one program that prints what they say',
    (page) => {
      const code = samplesOf(page).join('\n');
      const promised = promisedOutput(code);
      expect(promised.length).toBeGreaterThan(0);
      return runSample(code, (_image, output) => {
        if (!keepsPromise(output, promised)) expect(output.trimEnd().split('\n')).toEqual(promised);
      });
    },
  );

  test('docs: the samples in the comments of lib/ run', async () => {
    expect(docstringSamples().length).toBeGreaterThanOrEqual(5);
    await runSample(docstringProgram(), () => {});
  });

  test.each(withCommands)('docs: the commands of %s, one after the other, end well', (page) =>
    runShell(shellSamplesOf(page).join('\n')),
  );

  test('docs: docs/cli.md shows what blk graph prints', async () => {
    const [, command = '', shown = ''] =
      /```sh\n(blk graph .*)\n```\n\n```\n([\s\S]*?)```/.exec(read('docs/cli.md')) ?? [];
    const plain = (text: string): string => text.replaceAll(/#block\d+/g, '#block');
    expect(plain(await runShell(command))).toBe(plain(shown));
  });

  test('docs: the drive of docs/getting-started.md is that of examples/device-model.mjs', () => {
    const drive = samplesOf('docs/getting-started.md').find((code) => code.includes('class Ide'));
    expect(read('examples/device-model.mjs')).toContain(drive);
  });
});
