// Functions of modules that jest cannot load: ES modules outside lib/.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { reportOnly } from './leaks.js';

const root = join(__dirname, '../..');

/** The value of an expression in which `m` is the module, and `input` what is given. */
export async function evaluate(
  module: string,
  expression: string,
  input: unknown = null,
): Promise<unknown> {
  const code = `
    import * as m from ${JSON.stringify(pathToFileURL(join(root, module)).href)};
    const input = ${JSON.stringify(input)};
    process.stdout.write(JSON.stringify(await (${expression})));`;
  const args = ['--input-type=module', '-e', code];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, ...reportOnly() },
  });
  return JSON.parse(stdout);
}
