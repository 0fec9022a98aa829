// Programs of other projects that some tests compare against.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A `describe` that is skipped, with the reason in its title, where one of the programs is missing. */
export function describeWith(programs: readonly string[], title: string, body: () => void): void {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length === 0) describe(title, body);
  else describe.skip(`${title} (${missing.join(', ')} not found)`, body);
}

/** Node as a program such as that starts it: what {@link foreignEnv} left out is for node. */
export function nodeCommand(): readonly string[] {
  const { LD_PRELOAD: preload } = process.env;
  if (preload === undefined) return [process.execPath];
  return ['/usr/bin/env', `LD_PRELOAD=${preload}`, process.execPath];
}

/** The environment for such a program: a sanitizer's run-time library must not get into it. */
export function foreignEnv(): NodeJS.ProcessEnv {
  const { LD_PRELOAD: _, ...env } = process.env;
  return env;
}
