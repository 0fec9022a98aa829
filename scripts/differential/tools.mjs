// The genuine tools, run as they are.
import { execFileSync } from 'node:child_process';

/** A sanitizer's run-time library is for this process alone. */
export function toolEnvironment() {
  const { LD_PRELOAD: _, ...env } = process.env;
  return env;
}

/** Runs a program to its end and gives what it says; throws when it fails. */
export function runTool(program, args) {
  const options = { encoding: 'utf8', stdio: 'pipe', env: toolEnvironment() };
  return execFileSync(program, args, options);
}
