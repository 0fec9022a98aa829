// Every measured side runs in a process of its own and prints its result as JSON.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const execute = promisify(execFile);

export const sideScript = (name) => fileURLToPath(new URL(`../sides/${name}.mjs`, import.meta.url));

/** Runs bench/sides/<side>.mjs with the settings. */
export async function runSide({ side, nodeOptions = [], ...settings }) {
  const args = [...nodeOptions, sideScript(side), JSON.stringify(settings)];
  const { stdout } = await execute(process.execPath, args);
  return JSON.parse(stdout);
}

/** What the parent handed over. */
export const settings = () => JSON.parse(process.argv[2]);

export const report = (result) => process.stdout.write(`${JSON.stringify(result)}\n`);

/**
 * Runs a program of others and gives its standard output and the CPU time that it and its children
 * took, in microseconds, and what of it the kernel took. Node does not tell that of a child; bash does,
 * in milliseconds.
 */
export async function timed(program, args) {
  const script = 'TIMEFORMAT="%3U %3S"; time "$@"';
  const { stdout, stderr } = await execute('bash', ['-c', script, 'bash', program, ...args], {
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: 2 ** 26,
  });
  const [user, system] = stderr.trimEnd().split('\n').at(-1).split(' ').map(Number);
  if (Number.isNaN(user + system)) throw new Error(`${program} said: ${stderr}`);
  return { stdout, cpuUs: (user + system) * 1e6, systemUs: system * 1e6 };
}

/** CPU time per request of so many requests, without that of a run that only started. */
export function cpuPerRequest(run, start, requests) {
  const perRequest = (key) => Math.max(0, run[key] - start[key]) / requests;
  return { cpu_us_per_io: perRequest('cpuUs'), system_us_per_io: perRequest('systemUs') };
}
