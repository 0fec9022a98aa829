// System calls of a child process, seen and falsified by strace.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { foreignEnv } from './tools.js';

const root = join(__dirname, '../..');

export interface Traced {
  /** The calls that name `filename`, in order of their start: 'fdatasync', 'fallocate ZERO_RANGE'. */
  readonly calls: string[];
  /** The same calls as strace writes them. */
  readonly lines: string[];
  /** What the program gave to `report()`. */
  readonly reported: unknown[];
  readonly stderr: string;
}

export interface TraceOptions {
  readonly filename: string;
  /** Falsify calls that do not concern the file, too. Default false. */
  readonly everywhere?: boolean;
  /** 'fdatasync,fallocate' */
  readonly trace: string;
  /** 'fdatasync:error=EIO:when=1' */
  readonly inject?: string;
}

const PRELUDE = `
  const { AioContext, BlockBackend } = require('block-backend');
  const report = (value) => console.log(JSON.stringify(value ?? null));
  const codeOf = (promise) => promise.then(() => 'none', (error) => error.code);
  const fatal = (error) => { console.error(error); process.exitCode = 1; };
`;

/** The call in a line of strace: 'fdatasync', 'fallocate ZERO_RANGE'. */
export function callName(line: string): string {
  const name = /(\w+)\(/.exec(line)?.[1] ?? line;
  if (name !== 'fallocate') return name;
  const mode = /, (0|FALLOC_FL_[A-Z_|]+),/.exec(line)?.[1] ?? '';
  return `fallocate ${mode.replaceAll('FALLOC_FL_', '')}`;
}

/**
 * Runs the body of an async function, which has the package's names, `filename`, report() and
 * codeOf(), in a process of its own under strace.
 */
export async function traced(
  body: string,
  { filename, trace, inject, everywhere }: TraceOptions,
): Promise<Traced> {
  const folder = mkdtempSync(join(tmpdir(), 'block-backend-strace-'));
  const log = join(folder, 'log');
  const program = `${PRELUDE}
    (async (filename) => {${body}})(${JSON.stringify(filename)}).catch(fatal);`;
  // A sanitizer belongs into the child and not into strace; leaks cannot be looked for under ptrace.
  const { LD_PRELOAD, ASAN_OPTIONS = '' } = process.env;
  const preload = LD_PRELOAD === undefined ? [] : ['-E', `LD_PRELOAD=${LD_PRELOAD}`];
  const args = [
    ...['-f', '-y', '-qq', '-o', log, '-e', `trace=${trace}`],
    ...(inject === undefined ? [] : ['-e', `inject=${inject}`]),
    ...(everywhere ? [] : ['-P', filename]),
    ...preload,
    ...['-E', `ASAN_OPTIONS=${ASAN_OPTIONS}:detect_leaks=0`],
    ...[process.execPath, '-e', program],
  ];
  try {
    const { stdout, stderr } = await promisify(execFile)('strace', args, {
      cwd: root,
      env: foreignEnv(),
    });
    const written = readFileSync(log, 'utf8').split('\n');
    const lines = written.filter((line) => line.includes(filename));
    return {
      calls: lines.map(callName),
      lines,
      reported: stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
      stderr,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
