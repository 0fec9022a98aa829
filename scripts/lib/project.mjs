// Where things are, how the scripts speak, and whether a module was started directly.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

/** A path inside the project. */
export const inRoot = (...parts) => join(root, ...parts);

/** The JavaScript entry of a development tool, run with this very node. */
export const tools = {
  biome: inRoot('node_modules/@biomejs/biome/bin/biome'),
  cmakeJs: inRoot('node_modules/cmake-js/bin/cmake-js'),
  jest: inRoot('node_modules/jest/bin/jest.js'),
  oxlint: inRoot('node_modules/oxlint/bin/oxlint'),
  tsc: inRoot('node_modules/typescript/bin/tsc'),
};

/** The header folder that belongs to this node, if it was installed with one. */
export const nodeIncludeDir = resolve(process.execPath, '../../include/node');

export const log = (topic, message) => process.stderr.write(`${topic}: ${message}\n`);

/** An error whose message is all that the user needs to see. */
export class UserError extends Error {}

/** Runs a script's main function; what it returns is the exit code. */
export async function main(meta, body) {
  if (resolve(process.argv[1] ?? '') !== fileURLToPath(meta.url)) return;
  try {
    process.exitCode = (await body(process.argv.slice(2))) ?? 0;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    log('error', error.message);
    process.exitCode = 1;
  }
}

export const firstExisting = (paths) => paths.find((path) => existsSync(path));
