import { type Command, findCommand, usageLine } from '../command.js';
import { refuse } from '../outcome.js';

/** How a command is used; by help also under its other name. */
function helpLine(called: string, command: Command): string {
  const { parameters } = command;
  return parameters === undefined
    ? `${called} -- ${command.summary}`
    : usageLine({ ...command, name: called });
}

export const help: Command = {
  name: 'help',
  alias: '?',
  least: 0,
  most: 1,
  needsNoDisk: true,
  parameters: '[command]',
  summary: 'help for one or all commands',
  run(io, [, called]) {
    if (called === undefined) {
      for (const command of io.commands) io.out(helpLine(command.name, command));
      io.out('');
      io.out("Use 'help commandname' for extended help.");
      return 0;
    }
    const command = findCommand(io.commands, called);
    if (command === undefined) {
      return refuse((line) => io.out(line), `command ${called} not found`);
    }
    io.out(helpLine(called, command));
    for (const line of command.help ?? []) io.out(line);
    return 0;
  },
};
