// Commands from standard input.

import { createInterface } from 'node:readline/promises';
import type { Readable } from 'node:stream';
import { PROGRAM } from './arguments.js';

const PROMPT = `${PROGRAM}> `;

/** A longer line is several commands, as in qemu-io. */
const MAX_LINE = 1023;
const NEWLINE = 0x0a;

/** Cuts a stream of bytes into lines; the last one need not end. */
export async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of input) {
    rest = Buffer.concat([rest, chunk]);
    for (let line = firstLine(rest); line !== undefined; line = firstLine(rest)) {
      yield line.text;
      rest = rest.subarray(line.length);
    }
  }
  if (rest.length > 0) yield rest.toString();
}

function firstLine(bytes: Buffer): { text: string; length: number } | undefined {
  const newline = bytes.subarray(0, MAX_LINE).indexOf(NEWLINE);
  if (newline >= 0) return { text: bytes.toString('utf8', 0, newline), length: newline + 1 };
  if (bytes.length < MAX_LINE) return undefined;
  return { text: bytes.toString('utf8', 0, MAX_LINE), length: MAX_LINE };
}

/** Runs a command; false: that was the last one. */
export type RunLine = (line: string) => Promise<boolean>;

/** From a pipe or a file, with the prompts that scripts expect. */
async function fromStream(input: Readable, run: RunLine): Promise<void> {
  process.stdout.write(PROMPT);
  for await (const line of linesOf(input)) {
    if (!(await run(line))) return;
    process.stdout.write(PROMPT);
  }
}

/** From a terminal, with history and completion. */
async function fromTerminal(names: readonly string[], run: RunLine): Promise<void> {
  const completer = (typed: string): [string[], string] => [
    names.filter((name) => name.startsWith(typed)),
    typed,
  ];
  const { stdin: input, stdout: output } = process;
  const terminal = createInterface({ input, output, completer, prompt: PROMPT });
  try {
    terminal.prompt();
    for await (const line of terminal) {
      if (!(await run(line))) return;
      terminal.prompt();
    }
    output.write('\n');
  } finally {
    terminal.close();
  }
}

/** Asks for commands until there are no more. */
export async function promptLoop(names: readonly string[], run: RunLine): Promise<void> {
  const { stdin } = process;
  if (stdin.isTTY) await fromTerminal(names, run);
  else await fromStream(stdin, run);
  // What was not read must not keep the process.
  stdin.destroy();
}
