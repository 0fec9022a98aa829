// Builds of others' sources talk much: it goes into a file, and is shown if they fail.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { log, UserError } from './project.mjs';

const SHOWN_LINES = 40;

/** Runs a command whose output goes to the end of a file; a failure shows its end and ends the script. */
export async function mustRunLogged(what, command, args, { file, cwd }) {
  const output = openSync(file, 'a');
  const code = await new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', output, output] });
    child.on('error', reject);
    child.on('exit', (status) => resolve(status ?? 1));
  }).finally(() => closeSync(output));
  if (code === 0) return;
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  log('build', `the end of ${file}:\n${lines.slice(-SHOWN_LINES).join('\n')}`);
  throw new UserError(`${what} failed (exit code ${code})`);
}
