import { type Action, Daemon } from './daemon.js';
import { isDaemonChild, reportReady, spawnDaemon } from './daemonize.js';
import { Ending } from './ending.js';
import { writePidFile } from './pid-file.js';

export interface DaemonOptions {
  readonly daemonize?: boolean;
  readonly pidfile?: string;
}

/** Keeps the process while nothing else does; as long as a timer can be, about 25 days. */
const LONG_MS = 2 ** 31 - 1;

export async function runDaemon(
  actions: readonly Action[],
  { daemonize = false, pidfile }: DaemonOptions,
): Promise<void> {
  if (daemonize && !isDaemonChild()) {
    process.exitCode = await spawnDaemon();
    return;
  }
  const ending = new Ending();
  const alive = setInterval(() => {}, LONG_MS);
  const daemon = new Daemon(ending.quit);
  let removePidFile = (): void => {};
  try {
    // A server that waits for its first client must not keep a signal from ending all.
    await Promise.race([daemon.start(actions), ending.reached]);
    if (pidfile !== undefined) removePidFile = writePidFile(pidfile);
    reportReady();
    await ending.reached;
  } finally {
    clearInterval(alive);
    await daemon.close();
    removePidFile();
  }
  // What clients have not read yet goes out; standard input alone would keep the process.
  process.stdin.destroy();
}
