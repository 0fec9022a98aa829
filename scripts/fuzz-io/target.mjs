// What is fuzzed, and what must hold of it.
import { randomNumbers } from '../differential/script.mjs';
import { commandLine } from '../differential-io/generator.mjs';

const { Getopt } = await import('../../dist/qemu-io/getopt.js');
const { parseInteger, parseSize } = await import('../../dist/qemu-io/numbers.js');
const { parseOptionList } = await import('../../dist/qemu-io/option-list.js');
const { BlockBackend } = await import('../../dist/index.mjs');
const { QemuIo } = await import('../../dist/qemu-io/qemu-io.js');
const { splitCommand } = await import('../../dist/qemu-io/tokens.js');
const { parseArguments } = await import('../../dist/cli/io/arguments.js');

const INT64_MAX = 2n ** 63n - 1n;
const ERRNOS = [-22n, -34n];
const byText = (one, other) => (one < other ? -1 : Number(one > other));
const SPECS = ['bCl:pP:qs:v', 'CP:qv', 'm:', 'c:o:rw', 'Cq', 'snCro:ki:t:d:U', ':a:;b', ''];

/** For time, or for ever. */
const WAITING = ['sleep', 'wait_break'];

const pieces = [
  'read',
  'write',
  'aio_write',
  'open',
  'reopen',
  'help',
  'truncate',
  'break',
  'sleep',
  'alloc',
  '-',
  '--',
  '-P',
  '-z',
  '-v',
  '-s',
  '-q',
  '-C',
  '-l',
  '-m',
  '0',
  '1',
  '0x',
  '512',
  '1k',
  '1.5M',
  '.',
  'e',
  '9223372036854775807',
  '9223372036854775808',
  '18446744073709551615',
  '=',
  ',',
  ',,',
  'no',
  '\t',
  '\0',
  'driver',
  'file.',
  'json:',
  '\u00e9',
  '\u{1f4be}',
  "'",
  '"',
  '\\',
  '%s',
  '%n',
  '\n',
  '+',
  'E',
  'inf',
];

/** Command lines that make sense, changed; heaps of pieces; and plain noise. */
export function randomLine(seed) {
  const below = randomNumbers(seed);
  const kind = below(4);
  if (kind === 0) {
    const commands = commandLine(seed).args;
    return mutated(commands[below(commands.length)] ?? '', below);
  }
  if (kind === 1) {
    return Array.from({ length: below(40) }, () => String.fromCharCode(below(256))).join('');
  }
  const glue = kind === 2 ? ' ' : '';
  return Array.from({ length: below(9) }, () => pieces[below(pieces.length)]).join(glue);
}

function mutated(line, below) {
  const at = below(line.length + 1);
  const cut = below(3);
  const piece = below(2) === 0 ? pieces[below(pieces.length)] : String.fromCharCode(below(128));
  return line.slice(0, at) + piece + line.slice(at + cut);
}

function checkNumber(word) {
  const size = parseSize(word);
  if (typeof size !== 'bigint' || size > INT64_MAX || (size < 0n && !ERRNOS.includes(size))) {
    return `parseSize gives ${size} for ${JSON.stringify(word)}`;
  }
  if (/^[0-9]{1,18}$/.test(word) && size !== BigInt(word)) return `parseSize misreads ${word}`;
  const integer = parseInteger(word);
  if (integer !== undefined && (integer > INT64_MAX || integer < -INT64_MAX - 1n)) {
    return `parseInteger gives ${integer} for ${JSON.stringify(word)}`;
  }
  return undefined;
}

/** getopt() loses no word and makes none up. */
function checkOptions(words) {
  for (const spec of SPECS) {
    const complaints = [];
    const getopt = new Getopt(['cmd', ...words], spec, (line) => complaints.push(line));
    let wrong = 0;
    for (const { letter, argument } of getopt.read()) {
      if (typeof argument !== 'string') return 'an argument is no string';
      if (letter === '?') wrong += 1;
      else if (!spec.includes(letter)) return `'${letter}' is not in '${spec}'`;
    }
    if (wrong !== complaints.length)
      return `${wrong} wrong options, ${complaints.length} complaints`;
    const all = (list) => [...list].sort(byText).join('\0\0');
    if (all(getopt.permuted.slice(1)) !== all(words)) return `words were lost with '${spec}'`;
  }
  return undefined;
}

/** Nothing is read from it, and nothing is written. */
let disk;

/** Runs it on a disk that does nothing, as a monitor would, so that no file is opened. */
async function checkCommand(line) {
  disk ??= await BlockBackend.open({ driver: 'null-co', size: 1 << 20 });
  const lines = [];
  const sink = { out: (text) => lines.push(text), err: (text) => lines.push(text) };
  const result = await new QemuIo({ sink, blk: disk }).run(line);
  if (!Number.isInteger(result) || result > 0 || result < -4095) return `it ended with ${result}`;
  // These two tell their failure by the exit code alone.
  const silent = /^ *(?:f|flush|i|info)(?: |$)/.test(line);
  if (result < 0 && lines.length === 0 && !silent) return 'it failed without a word';
  return lines.every((text) => typeof text === 'string') ? undefined : 'a line is no string';
}

/** Closes what was opened. */
export async function endFuzzing() {
  await disk?.close();
}

/** A sentence about what is wrong; undefined: nothing. */
export async function checkInput(line) {
  try {
    const words = splitCommand(line);
    if (words.some((word) => word === '' || /[ \0]/.test(word))) return 'a word is none';
    for (const word of words) {
      const problem = checkNumber(word);
      if (problem !== undefined) return problem;
    }
    const problem = checkOptions(words);
    if (problem !== undefined) return problem;
    parseOptionList(line, () => undefined);
    parseArguments(words, () => undefined);
    return WAITING.includes(words[0]) ? undefined : await checkCommand(line);
  } catch (error) {
    return `it threw ${error.stack}`;
  }
}
