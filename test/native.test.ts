// Runs the C++ tests: every doctest case is one jest test, in a process of its own, so that a crash
// in one costs no other.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';

const buildRoot = process.env.BLOCK_BACKEND_PREBUILD ?? join(__dirname, '..');
const binary = join(buildRoot, 'build/Release/block_backend_test');

/** The names of all test cases, in the order in which --first and --last count them. */
function testCases(): string[] {
  const list = spawnSync(binary, ['--list-test-cases', '--reporters=xml'], { encoding: 'utf8' });
  if (list.error) throw new Error(`${binary} does not start: run "npm test", which builds it`);
  const entities: Record<string, string> = {
    '&lt;': '<',
    '&gt;': '>',
    '&amp;': '&',
    '&quot;': '"',
    '&apos;': "'",
  };
  return [...list.stdout.matchAll(/<TestCase name="([^"]*)"/g)].map(([, name = '']) =>
    name.replace(/&\w+;/g, (entity) => entities[entity] ?? entity),
  );
}

/** Runs the test case with this number, counted from one. */
function run(number: number): Promise<{ status: string; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, [`--first=${number}`, `--last=${number}`, '--no-colors=true']);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ status: signal ?? `exit code ${code}`, output }));
  });
}

describe('native', () => {
  const names = testCases();

  test('native: the test binary has test cases', () => {
    expect(names.length).toBeGreaterThan(0);
  });

  for (const [index, name] of names.entries()) {
    test(name, async () => {
      const { status, output } = await run(index + 1);
      if (status !== 'exit code 0') throw new Error(`${status}\n${output}`);
      expect(output).toContain('test cases: 1 | 1 passed');
    });
  }
});
