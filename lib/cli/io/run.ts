import type { OutputSink, ProcessHost } from '../../qemu-io/command.js';
import { ExitCode, type ExitCodeNumber } from '../shared/cli-error.js';
import { PROGRAM, parseArguments } from './arguments.js';
import { ownProcess } from './host.js';
import { EMULATED_VERSION, USAGE } from './usage.js';

const standardStreams: OutputSink = {
  out: (line) => {
    process.stdout.write(`${line}\n`);
  },
  err: (line) => {
    process.stderr.write(`${line}\n`);
  },
};

/** `blk io`, whose command line, output and exit codes are those of qemu-io. */
export async function runIo(
  args: readonly string[],
  version: string,
  sink = standardStreams,
  host: ProcessHost = ownProcess,
): Promise<ExitCodeNumber> {
  const parsed = parseArguments(args, (line) => sink.err(line));
  switch (parsed.kind) {
    case 'run': {
      // Here and not above, so that help needs no addon.
      const { runSession } = await import('./session.js');
      return runSession(parsed.arguments, sink, host);
    }
    case 'help':
    case 'usage':
      sink.out(USAGE);
      return parsed.kind === 'help' ? ExitCode.ok : ExitCode.failure;
    case 'version':
      sink.out(`${PROGRAM} version ${EMULATED_VERSION} (block-backend ${version})`);
      return ExitCode.ok;
    case 'error':
      sink.err(`${PROGRAM}: ${parsed.text}`);
      return ExitCode.failure;
  }
}
