import type { OutputSink, ProcessHost } from '../../qemu-io/command.js';
import { openDisk } from '../../qemu-io/open-disk.js';
import { type OptionList, parseOptionList } from '../../qemu-io/option-list.js';
import { QemuIo } from '../../qemu-io/qemu-io.js';
import '../../index.js';
import { ExitCode, type ExitCodeNumber } from '../shared/cli-error.js';
import { type IoArguments, PROGRAM } from './arguments.js';
import { promptLoop } from './prompt.js';

/** In qemu-io's words, as scripts leave them out. */
function guessWarning(image: string): string[] {
  return [
    `WARNING: Image format was not specified for '${image}' and probing guessed raw.`,
    '         Automatically detecting the format is dangerous for raw images, write operations on block 0 will be restricted.',
    "         Specify the 'raw' format explicitly to remove the restrictions.",
  ];
}

function warningLines({ message, code }: NodeJS.ErrnoException): string[] {
  const [, image] = /^image '(.*)': /s.exec(message) ?? [];
  if (code === 'BLOCK_FORMAT_GUESSED' && image !== undefined) return guessWarning(image);
  return [`WARNING: ${message}`];
}

/** The package's own warnings in the way of qemu-io, until the function is called that it gives. */
function tellWarnings(sink: OutputSink): () => void {
  const others = process.listeners('warning');
  const tell = (warning: Error): void => {
    for (const line of warningLines(warning)) sink.err(line);
  };
  process.removeAllListeners('warning');
  process.on('warning', tell);
  return () => {
    process.off('warning', tell);
    for (const listener of others) process.on('warning', listener);
  };
}

function openImage(io: QemuIo, { image, format, modes }: IoArguments): Promise<boolean> {
  if (image === undefined) return Promise.resolve(true);
  if (io.imageOptions) {
    const warn = (lines: readonly string[]): void => io.warn(lines);
    const options = parseOptionList(image, warn);
    return openDisk(io, undefined, options, modes);
  }
  const options: OptionList = format === undefined ? new Map() : new Map([['driver', format]]);
  return openDisk(io, image, options, modes);
}

/** Every command is run, whatever became of those before. */
async function runCommands(io: QemuIo, commands: readonly string[]): Promise<boolean> {
  let succeeded = true;
  const run = async (line: string): Promise<boolean> => {
    if ((await io.run(line)) < 0) succeeded = false;
    return !io.hasQuit;
  };
  if (commands.length === 0) {
    const names = io.commands.map(({ name }) => name);
    await promptLoop(names, run);
    return succeeded;
  }
  for (const command of commands) if (!(await run(command))) break;
  return succeeded;
}

async function run(args: IoArguments, io: QemuIo): Promise<ExitCodeNumber> {
  if (!(await openImage(io, args))) return ExitCode.failure;
  const succeeded = await runCommands(io, args.commands);
  await io.end();
  return succeeded ? ExitCode.ok : ExitCode.failure;
}

/** Opens the disk, runs the commands, closes it. */
export async function runSession(
  args: IoArguments,
  sink: OutputSink,
  host: ProcessHost,
): Promise<ExitCodeNumber> {
  const { misalign, imageOptions } = args;
  const restore = tellWarnings(sink);
  try {
    return await run(args, new QemuIo({ sink, host, program: PROGRAM, misalign, imageOptions }));
  } finally {
    restore();
  }
}
