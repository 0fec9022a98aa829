// Lines of the human monitor that are about disks (QMP: human-monitor-command).

import { diskCommands } from './disk-commands.js';
import type { HumanCommand } from './human-command.js';
import { machineCommands } from './machine-commands.js';
import { qemuIoCommands } from './qemu-io.js';
import { splitWords, WordsError } from './words.js';

const COMMANDS: readonly HumanCommand[] = [...diskCommands, ...qemuIoCommands, ...machineCommands];

/** A word of the line is missing, or one is too many. */
function usage({ name }: HumanCommand, problem: string): string {
  const last = name.split(' ').at(-1) ?? name;
  return `${last}: ${problem}\nTry "help ${name}" for more information\n`;
}

/** The command with the most words that the line begins with. */
function find(words: readonly string[]): HumanCommand | undefined {
  return COMMANDS.find(({ name, alias }) => {
    const own = name.split(' ');
    return own.every((word, index) => words[index] === word) || words[0] === alias;
  });
}

function help([wanted]: readonly string[]): string {
  return COMMANDS.filter(
    ({ name, alias }) => wanted === undefined || name === wanted || alias === wanted,
  )
    .map(({ name, alias, parameters, doc }) => {
      const names = alias === undefined ? name : `${name}|${alias}`;
      return `${[names, ...parameters].join(' ')} -- ${doc}\n`;
    })
    .join('');
}

interface Arguments {
  readonly flags: ReadonlySet<string>;
  readonly words: readonly string[];
}

/** Flags stand in front; a text is what is wrong. */
function argumentsOf(command: HumanCommand, given: readonly string[]): Arguments | string {
  const flags = new Set<string>();
  let at = 0;
  for (; /^-[a-z]$/.test(given[at] ?? ''); at += 1) {
    const flag = (given[at] as string).slice(1);
    if (!command.parameters.includes(`[-${flag}]`)) return `unsupported option -${flag}`;
    flags.add(flag);
  }
  const words = given.slice(at);
  const names = command.parameters.filter((name) => !name.startsWith('[-'));
  const needed = names.filter((name) => !name.startsWith('[')).length;
  if (words.length < needed) return 'string expected';
  if (words.length > names.length) return 'extraneous characters at the end of line';
  return { flags, words };
}

/**
 * Carries out a line, and gives what the human monitor prints. It never rejects: what went wrong is
 * in the text.
 */
export async function humanMonitorCommand(line: string): Promise<string> {
  try {
    const words = splitWords(line);
    if (words.length === 0) return '';
    if (words[0] === 'help' || words[0] === '?')
      return help([words.slice(1).join(' ')].filter(Boolean));
    const command = find(words);
    if (command === undefined) {
      const name = words[0] === 'info' ? words.slice(0, 2).join(' ') : words[0];
      return `unknown command: '${name}'\n`;
    }
    const own = words[0] === command.alias ? 1 : command.name.split(' ').length;
    const given = argumentsOf(command, words.slice(own));
    return typeof given === 'string' ? usage(command, given) : await command.run(given);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return error instanceof WordsError ? `${text}\n` : `Error: ${text}\n`;
  }
}
