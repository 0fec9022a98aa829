// What native/ has to say to whoever runs the program, one sentence each (native: block::Warning).

interface Warning {
  readonly code: string;
  readonly text: string;
}

const WARNINGS: Readonly<Record<number, Warning>> = {
  1: {
    code: 'BLOCK_PROCESS_LOCKS',
    text:
      'locking=on: this kernel has no locks of open file descriptions, so POSIX locks are used. They ' +
      'do not tell users of one process apart, and end when any of them closes the image',
  },
  2: {
    code: 'BLOCK_UNLOCK_FAILED',
    text: 'an image could not be unlocked: others may find it in use for longer than it is',
  },
  3: {
    code: 'BLOCK_RELOCK_FAILED',
    text: 'a reopened image could not be locked as before: others may use it at the same time',
  },
};

const emitted = new Set<number>();

/** Each kind once per environment: a second one says nothing new. */
export function emitNativeWarning(what: number, node: string | undefined): void {
  const warning = WARNINGS[what];
  if (warning === undefined || emitted.has(what)) return;
  emitted.add(what);
  const { code, text } = warning;
  const where = node === undefined ? '' : ` (node '${node}')`;
  process.emitWarning(`${text}${where}`, { type: 'BlockBackendWarning', code });
}
