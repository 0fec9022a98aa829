// process.exit() ends the process with V8's heap in place, which LeakSanitizer then calls a leak.
// What was allocated by the addon must be gone even so.

const ADDON = 'block_backend.node';

export const instrumented = process.env.BLOCK_BACKEND_SANITIZE ?? '';

/** Environment of a child that ends with process.exit(): leaks do not change its exit code. */
export function reportOnly(): NodeJS.ProcessEnv {
  if (instrumented !== 'address') return {};
  return { LSAN_OPTIONS: `${process.env.LSAN_OPTIONS ?? ''}:exitcode=0` };
}

/** Environment of a child that must leave a thread behind. */
export function leavesThread(): NodeJS.ProcessEnv {
  if (instrumented !== 'thread') return {};
  return { TSAN_OPTIONS: `${process.env.TSAN_OPTIONS ?? ''}:report_thread_leaks=0` };
}

/** What a child said, without the leaks of others. */
export function withoutForeignLeaks(stderr: string): string {
  const start = stderr.indexOf('\n=====');
  if (start < 0 || !stderr.includes('LeakSanitizer: detected memory leaks')) return stderr;
  const leaks = stderr.slice(start).split('\n\n');
  return stderr.slice(0, start) + leaks.filter((leak) => leak.includes(ADDON)).join('\n\n');
}
