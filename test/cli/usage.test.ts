import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { blk } from '../support/blk';

const image = join(__dirname, 'no-such.img');

describe('cli', () => {
  // Each gives one sentence, whose words are the command's or a library's, and exit code 2.
  test.each([
    [['frob'], "unknown command 'frob'"],
    [['demo', '--frob'], "unknown option '--frob'"],
    [['demo', '--size', '4Q'], 'Sizes look like 512, 4K, 1.5M or 2G.'],
    [['demo', '--size', '5000'], 'It must be a multiple of 4K from 4K to 8T.'],
    [['demo', '--depth', '0'], 'It must be an integer from 1 to 1024.'],
    [['demo', '--no-verify'], '--no-verify needs an IMAGE'],
    [['demo', image, '--no-verify'], '--no-verify needs --write'],
    [['demo', image, '--verify-only'], '--verify-only needs the --seed'],
    [['bench'], "missing required argument 'image'"],
    [['bench', image, '--rw', 'readd'], 'Allowed choices are read, write'],
    [['bench', image, '--runtime', '-1'], 'Times look like 5, 2.5s, 500ms or 1m'],
    [['bench', image, '--rw', 'write'], 'say --yes if that is meant'],
    [['bench', 'json:{'], "what follows 'json:' is no JSON"],
    [['bench', 'json:[]'], "what follows 'json:' must be an object"],
    [['graph'], "missing required argument 'image'"],
    [['graph', image, '--format', 'png'], 'Allowed choices are text, dot, svg'],
    [['graph', image, '--format', 'dot', '--json'], "option '--json' cannot be used with"],
    [['graph', 'json:{'], "what follows 'json:' is no JSON"],
  ])('cli: bad usage gives one sentence and exit code 2: %j', async (args, sentence) => {
    const { code, stdout, stderr } = await blk(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^blk: .*\n$/);
    expect(stderr).toContain(sentence);
  });

  test.each([
    [['bench', image], 'no such file or directory'],
    [['bench', __dirname], 'is a directory'],
    [['bench', 'json:{"driver":"null-co","sze":1}'], "option 'sze' is unknown"],
    [['bench', 'json:{"driver":"frob"}'], "unknown driver 'frob'"],
    [['bench', 'json:{"driver":"null-co","size":512}'], 'smaller than one request'],
    [['graph', image], 'no such file or directory'],
    [['graph', 'json:{"driver":"null-co"}', image], 'no such file or directory'],
    [['graph', 'json:{"driver":"null-co"}', '--output', '/dev/null/x'], 'ENOTDIR'],
  ])(
    'cli: an image that cannot be used gives one sentence and exit code 1: %j',
    async (args, sentence) => {
      const { code, stdout, stderr } = await blk(args);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^blk: .*\n$/);
      expect(stderr).toContain(sentence);
    },
  );

  test.each(['demo', 'bench', 'graph', 'info'])(
    'cli: %s --help fits on a screen',
    async (command) => {
      // Without the addon, too: help must not depend on a build that worked.
      const { code, stdout } = await blk([command, '--help'], {
        env: { BLOCK_BACKEND_PREBUILD: join(__dirname, 'nowhere') },
      });
      const lines = stdout.trimEnd().split('\n');
      expect(code).toBe(0);
      expect(lines.length).toBeLessThanOrEqual(24);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    },
  );

  test('cli: an addon that does not load gives one sentence and exit code 1', async () => {
    const { code, stderr } = await blk(['info'], {
      env: { BLOCK_BACKEND_PREBUILD: join(__dirname, 'nowhere') },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^blk: .*cannot load the native addon.*\n$/);
  });

  test('info: names the versions and the engine', async () => {
    const { code, stdout } = await blk(['info', '--json']);
    const { version } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8'));
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      version,
      node: process.versions.node,
      engine: expect.stringMatching(/^(io_uring|threads)$/),
      engine_reason: expect.stringMatching(/./),
    });
    expect((await blk(['info'])).stdout).toContain(`block-backend  ${version}\n`);
  });
});
