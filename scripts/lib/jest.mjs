// Runs jest and prints its totals in one form.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { log, tools } from './project.mjs';
import { run } from './run.mjs';

/** How long jest may go on after its report: whatever keeps it alive is a leak. */
const graceMs = 10_000;

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Resolves to the exit code and to the line with the totals. */
export async function runJest(args, { command = [process.execPath], env = {} } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'block-backend-jest-'));
  const file = join(folder, 'report.json');
  let child;
  let reportSeen = 0;
  let hung = false;
  const watch = setInterval(() => {
    if (!reportSeen && readReport(file)) reportSeen = Date.now();
    if (reportSeen && Date.now() - reportSeen > graceMs && !hung) {
      hung = true;
      child.kill('SIGKILL');
    }
  }, 500);
  try {
    const [program, ...first] = command;
    let code = await run(
      program,
      [...first, tools.jest, '--json', `--outputFile=${file}`, ...args],
      {
        env,
        onStart: (started) => {
          child = started;
        },
      },
    );
    if (hung) {
      log('test', 'jest did not end: a test left a handle open (find it with --detectOpenHandles)');
      code = 1;
    }
    const report = readReport(file);
    if (!report) return { code: code || 1, totals: undefined };
    const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
    const skipped = report.numPendingTests + report.numTodoTests;
    return {
      code,
      totals: `${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped`,
    };
  } finally {
    clearInterval(watch);
    rmSync(folder, { recursive: true, force: true });
  }
}
