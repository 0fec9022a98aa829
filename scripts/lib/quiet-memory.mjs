/** For node, where resident memory is measured: V8 takes and returns tens of MiB as it pleases. */
export const quietMemory = ['--expose-gc', '--max-semi-space-size=1', '--single-threaded-gc'];
