/** What the process ends with; docs/cli.md lists them. */
export const ExitCode = {
  ok: 0,
  /** An image that cannot be opened, an I/O error, an addon that does not load. */
  failure: 1,
  /** The command line makes no sense. */
  usage: 2,
  /** The demo read something else than it wrote. */
  corruption: 3,
  /** 128 + SIGINT, as shells have it. */
  interrupted: 130,
} as const;
export type ExitCodeNumber = (typeof ExitCode)[keyof typeof ExitCode];

/** An error whose one sentence is all that the user needs to see. */
export class CliError extends Error {
  readonly exitCode: ExitCodeNumber;

  constructor(message: string, exitCode: ExitCodeNumber = ExitCode.failure) {
    super(message);
    this.exitCode = exitCode;
  }
}

export function usageError(message: string): CliError {
  return new CliError(message, ExitCode.usage);
}
