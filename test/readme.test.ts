import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { keepsPromise, promisedOutput, runSample, samplesOf } from './support/samples';

const root = join(__dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

describe('readme', () => {
  const examples = samplesOf('README.md');

  test('readme: the first example runs as it stands', () =>
    runSample(examples[0] ?? '', (after) => {
      expect(after.subarray(512, 1024)).toEqual(after.subarray(0, 512));
    }));

  test('readme: the second example runs as it stands', () =>
    runSample(examples[1] ?? '', (_image, output) => {
      expect(output).toMatch(/drive1[\s\S]*window; raw.*offset=1024[\s\S]*image; file/);
    }));

  test('readme: what it names exists', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const commands = [...readme.matchAll(/npm (?:run )?(demo|test|bench|build)/g)];
    expect(commands.length).toBeGreaterThan(0);
    for (const [, name = ''] of commands) expect(Object.keys(scripts)).toContain(name);
    const files = [
      ...readme.matchAll(/\]\((docs\/[^)]+)\)/g),
      ...readme.matchAll(/ ((?:dist|examples)\/\S+)/g),
    ];
    expect(files.length).toBeGreaterThan(0);
    for (const [, path = ''] of files)
      expect([path, existsSync(join(root, path))]).toEqual([path, true]);
  });
});

describe('docs', () => {
  const pages = readdirSync(join(root, 'docs')).map((name) => `docs/${name}`);
  const programs = pages.filter((page) => samplesOf(page).length > 0);

  test('docs: there are pages with samples, and everything that pages link to exists', () => {
    expect(programs.length).toBeGreaterThanOrEqual(3);
    for (const page of pages) {
      const text = readFileSync(join(root, page), 'utf8');
      for (const [, path = ''] of text.matchAll(/\]\(((?!https?:)[^)#]+)/g))
        expect([page, path, existsSync(join(root, 'docs', path))]).toEqual([page, path, true]);
    }
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
});
