// Seeded command lines for qemu-io and `blk io`. Nothing here knows either side.
import { randomNumbers } from '../differential/script.mjs';
import { disks, fixedLines, processLines, sessions } from './disks.mjs';

const KIB = 1024;
/** Of every disk at first. */
export const DISK_BYTES = 256 * KIB;

/** Around whatever has no order; both sides print the same line for it. */
export const MARKER = 'help q';

/** A dice with a seed. */
class Dice {
  constructor(seed) {
    this.below = randomNumbers(seed);
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /** True once in so many times. */
  once(times) {
    return this.below(times) === 0;
  }

  some(most, body) {
    return Array.from({ length: 1 + this.below(most) }, (_, index) => body(index));
  }
}

const badNumbers = [
  'x',
  '1x',
  '-1',
  '1.5',
  '0x',
  '0xzz',
  '1e3',
  '1.5e2k',
  '--',
  '1..5k',
  '.5k',
  '1kk',
  '08x',
  '99999999999999999999',
  '9223372036854775808',
  '18446744073709551616x',
  '8E',
  '16E',
  '-0',
  '+',
  'k',
  '1b2',
  '0x1.8',
  'inf',
  'nan',
  '1,5k',
];
const oddNumbers = [
  '0x200',
  '0x10k',
  '+512',
  '0.5k',
  '1.5k',
  '1.k',
  '0512',
  '512b',
  '512B',
  '1K',
  '0.25K',
  '0X400',
  '0x0',
  '00',
  '1.0000001k',
  '0.0009765625M',
  '.0',
  '7E',
  '9223372036854775807',
  '2147483647',
  '2147483136',
  '4G',
];

function number(dice, usual) {
  if (dice.once(12)) return dice.pick(badNumbers);
  if (dice.once(9)) return dice.pick(oddNumbers);
  return String(usual);
}

const offset = (dice) => {
  const bytes = dice.below(DISK_BYTES);
  if (dice.once(25)) return number(dice, DISK_BYTES + bytes);
  return number(dice, dice.once(3) ? bytes : bytes - (bytes % dice.pick([512, 4096, 65536])));
};
const length = (dice) => {
  const most = dice.pick([1, 16, 600, 4096, 70000]);
  const bytes = dice.below(most + 1);
  const text = number(dice, dice.once(3) ? bytes : Math.max(512, bytes - (bytes % 512)));
  // Where faults are injected, requests of nothing fail in QEMU: docs/differences.md.
  return dice.noEmpty && /^[+0.x]*$/i.test(text) ? '1' : text;
};
const pattern = (dice) =>
  dice.once(7)
    ? dice.pick(['256', '-1', 'x', '0x', '08', '0x100', '1x', '99999999999999999999', '-0', '+5'])
    : dice.pick(['0', '1', '0xcd', '205', '0x5a', '017', '255', '90']);

/** Some of these letters, alone, glued together, or unknown. */
function switches(dice, letters) {
  const chosen = [...letters].filter(() => dice.once(5));
  if (dice.once(40)) chosen.push(dice.pick(['x', 'Z', '-', '?', ':', 'y']));
  if (chosen.length > 1 && dice.once(3)) return [`-${chosen.join('')}`];
  return chosen.map((letter) => `-${letter}`);
}

function withArgument(dice, letter, value) {
  if (dice.once(60)) return [`-${letter}`];
  return dice.once(3) ? [`-${letter}${value}`] : [`-${letter}`, value];
}

/** Options may stand anywhere; sometimes an operand is missing, or one too many. */
function assemble(dice, name, options, operands) {
  const words = [...operands];
  if (dice.once(40)) words.pop();
  if (dice.once(40)) words.push(length(dice));
  if (dice.once(50)) options = [...options, '--'];
  const all = dice.once(8) ? [...words, ...options] : [...options, ...words];
  const blanks = dice.once(20) ? '  ' : ' ';
  return [name, ...all].join(blanks);
}

function readCommand(dice) {
  const options = switches(dice, 'Cqvbp');
  if (dice.once(2)) options.push(...withArgument(dice, 'P', pattern(dice)));
  if (dice.once(6)) options.push(...withArgument(dice, 's', number(dice, dice.below(600))));
  if (dice.once(6)) options.push(...withArgument(dice, 'l', number(dice, dice.below(600))));
  return assemble(dice, dice.pick(['read', 'r']), options, [offset(dice), length(dice)]);
}

function writeCommand(dice) {
  const options = switches(dice, dice.once(2) ? 'Cqfp' : 'bcCfnpquz');
  if (dice.once(2)) options.push(...withArgument(dice, 'P', pattern(dice)));
  if (dice.once(8)) {
    const path = dice.pick(['pattern.bin', 'empty.bin', 'missing.bin', '.']);
    options.push(...withArgument(dice, 's', path));
  }
  if (dice.once(6)) options.push('-z');
  return assemble(dice, dice.pick(['write', 'w']), options, [offset(dice), length(dice)]);
}

function vectored(dice, name, letters) {
  const options = switches(dice, letters);
  if (dice.once(2)) options.push(...withArgument(dice, 'P', pattern(dice)));
  return assemble(dice, name, options, [offset(dice), ...dice.some(4, () => length(dice))]);
}

const simple = {
  discard: (dice) =>
    assemble(dice, dice.pick(['discard', 'd']), switches(dice, 'Cq'), [offset(dice), length(dice)]),
  alloc: (dice) =>
    [dice.pick(['alloc', 'a']), offset(dice), ...(dice.once(2) ? [length(dice)] : [])].join(' '),
  map: (dice) => (dice.once(20) ? 'map 1' : 'map'),
  length: (dice) => dice.pick(['length', 'l', 'length 1']),
  info: (dice) => dice.pick(['info', 'i']),
  flush: (dice) => dice.pick(['flush', 'f', 'flush x']),
  truncate: (dice) => {
    const options = dice.once(4)
      ? withArgument(dice, 'm', dice.pick(['off', 'falloc', 'full', 'metadata', 'none']))
      : [];
    const usual = dice.below(2 * DISK_BYTES);
    // Preallocation writes what it grows by: 2 GiB of that is a test of the machine's disk.
    const size = options.length > 0 ? String(usual) : number(dice, usual);
    return [dice.pick(['truncate', 't']), ...options, size].join(' ');
  },
  sleep: (dice) => `sleep ${dice.pick(['0', '1', '2', 'x', '-1', '0x1', '1x', ''])}`,
  help: (dice) =>
    dice.pick(['help', 'help length', '? nothing', 'help quit', 'help 1 2', '? l', 'help map']),
  unknown: (dice) =>
    dice.pick(['frob', 'Read 0 1', 'frob 1 2', '', '   ', 'reads', '-c', 'wr 0 512']),
  counts: (dice) =>
    dice.pick([
      'read',
      'read 0',
      'aio_read 0',
      'break',
      'resume',
      'close 1',
      'sigraise',
      'aio_flush 1',
      'alloc 1 2 3',
      'writev 0',
      'remove_break',
      'wait_break',
    ]),
  breakpoints: (dice) =>
    dice.pick([
      'break read_aio A',
      'break frob A',
      'remove_break A',
      'resume A',
      'remove_break none',
      'resume none',
      'break pwritev B',
      'remove_break B',
    ]),
  sigraise: (dice) => `sigraise ${dice.pick(['0', 'x', '66', '65', '1000', '-1', '17'])}`,
  reopen: (dice) =>
    dice.pick([
      'reopen',
      'reopen -r',
      'reopen -r -w',
      'reopen -o frob=1',
      'reopen -c none',
      'reopen -c writeback',
      'reopen -c frob',
      'reopen x',
      'reopen -x',
      'reopen -c unsafe -o cache.direct=on',
      'reopen -o read-only=on',
      'reopen -r -o read-only=off',
      'reopen -c writethrough',
      'reopen -o',
      'reopen -w -w',
    ]),
};

const weighted = [
  [24, readCommand],
  [20, writeCommand],
  [7, (dice) => vectored(dice, 'readv', 'Cqv')],
  [7, (dice) => vectored(dice, 'writev', 'Cfq')],
  [6, simple.discard],
  [5, simple.alloc],
  [3, simple.map],
  [4, simple.length],
  [2, simple.info],
  [3, simple.flush],
  [5, simple.truncate],
  [2, simple.sleep],
  [2, simple.help],
  [2, simple.unknown],
  [3, simple.counts],
  [2, simple.sigraise],
  [3, simple.reopen],
];

function weightedPick(dice, table) {
  let left = dice.below(table.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, body] of table) {
    if (left < weight) return body(dice);
    left -= weight;
  }
  return '';
}

/** Of several requests at the same time, each has so much of the disk for itself. */
const SHARE = 64 * KIB;

/** Requests at the same time, between markers, as nothing says in which order they end. */
function aioGroup(dice) {
  const one = (index) => {
    const at = dice.once(12)
      ? dice.pick(badNumbers)
      : String(index * SHARE + dice.below(SHARE / 2));
    const short = () => number(dice, dice.pick([1, 7, 512, 1024, 4096, 5000]));
    const lengths = dice.some(dice.pick([1, 4]), short);
    const isRead = dice.once(2);
    const options = switches(dice, isRead ? 'Ciqv' : 'Cfiquz');
    if (dice.once(2)) options.push(...withArgument(dice, 'P', pattern(dice)));
    return assemble(dice, isRead ? 'aio_read' : 'aio_write', options, [at, ...lengths]);
  };
  return [MARKER, ...dice.some(3, one), 'aio_flush', MARKER];
}

/** By where the breakpoints are: below a raw node there are its steps as well. */
const stops = {
  below: [
    ['read_aio', 'aio_read 512 512'],
    ['write_aio', 'aio_write -P 7 4096 4096'],
    ['pwritev_done', 'aio_write 1k 1k'],
  ],
  top: [
    ['pwritev', 'aio_write 0 512'],
    ['pwritev_done', 'aio_write 1k 1k'],
    ['pwritev_zero', 'aio_write -z 4k 4k'],
  ],
};

function breakGroup(dice, where) {
  const tag = dice.pick(['A', 'tag', '1']);
  if (dice.once(4)) return [`break flush_to_disk ${tag}`, 'length', `remove_break ${tag}`];
  const [event, request] = dice.pick(stops[where]);
  return [`break ${event} ${tag}`, request, `wait_break ${tag}`, `resume ${tag}`, 'aio_flush'];
}

function commandsFor(dice, disk) {
  const commands = [];
  dice.noEmpty = disk.args.some((word) => word.includes('inject-error'));
  while (commands.length < 2 + dice.below(5)) {
    if (disk.none && !dice.once(3)) {
      commands.push(...dice.pick(sessions)('disk.img'));
    } else if (disk.debug && dice.once(3)) {
      commands.push(...(dice.once(2) ? breakGroup(dice, disk.debug) : [simple.breakpoints(dice)]));
    } else if (dice.once(7)) {
      commands.push(...aioGroup(dice));
    } else if (dice.once(30)) {
      commands.push(...dice.pick(sessions)('disk.img'));
    } else if (dice.once(40)) {
      commands.push(simple.breakpoints(dice));
    } else {
      commands.push(weightedPick(dice, weighted));
    }
  }
  return commands;
}

/**
 * One command line: { args, input }. With `input` the commands come from standard input.
 */
export function commandLine(seed, { mayPrompt = false } = {}) {
  const dice = new Dice(seed);
  if (mayPrompt && dice.once(20)) return { args: dice.pick(processLines) };
  if (dice.once(12)) return { args: dice.pick(fixedLines) };
  const table = disks.map((disk) => [disk.weight, () => disk]);
  const disk = weightedPick(dice, table);
  const commands = commandsFor(dice, disk);
  if (mayPrompt && dice.once(3)) {
    const end = dice.pick(['', '\n']);
    return { args: disk.args, input: commands.join('\n') + end, disk };
  }
  const options = commands.flatMap((command) => [dice.pick(['-c', '--cmd']), command]);
  return { args: dice.once(4) ? [...disk.args, ...options] : [...options, ...disk.args], disk };
}
