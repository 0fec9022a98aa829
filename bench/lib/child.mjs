// Every measured side runs in a process of its own and prints its result as JSON.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const execute = promisify(execFile);

/** Runs bench/sides/<name>.mjs with the settings. */
export async function runSide(name, settings) {
  const script = fileURLToPath(new URL(`../sides/${name}.mjs`, import.meta.url));
  const { stdout } = await execute(process.execPath, [script, JSON.stringify(settings)]);
  return JSON.parse(stdout);
}

/** What the parent handed over. */
export const settings = () => JSON.parse(process.argv[2]);

export const report = (result) => process.stdout.write(`${JSON.stringify(result)}\n`);
