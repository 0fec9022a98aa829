// Commands on the monitor itself.

import { command } from '../command.js';
import { QmpError } from '../errors.js';
import { eventTypes } from '../schema/events.js';
import { introspect } from '../schema/introspection.js';
import { any, array, enumeration, int64, object, optional, str } from '../schema/type.js';
import { queryVersion } from '../version.js';

const versionTriple = object('VersionTriple', { major: int64, minor: int64, micro: int64 });

export const sessionCommands = [
  command(
    'qmp_capabilities',
    { enable: optional(array(enumeration('QMPCapability', ['oob']))) },
    {
      doc: 'Ends the negotiation; every other command comes after it. There are no capabilities to enable.',
      run({ enable = [] }) {
        if (enable.length === 0) return;
        throw new QmpError(`the capability '${enable.join(', ')}' is not there`);
      },
    },
  ),
  command(
    'query-version',
    {},
    {
      doc: 'The version of QEMU whose monitor this one is like, and that of the package.',
      returns: object('VersionInfo', { qemu: versionTriple, package: str }),
      run: queryVersion,
    },
  ),
  command(
    'query-commands',
    {},
    {
      doc: 'The names of all commands.',
      returns: array(object('CommandInfo', { name: str })),
      run: (_, { commands }) => [...commands.keys()].map((name) => ({ name })),
    },
  ),
  command(
    'query-qmp-schema',
    {},
    {
      doc: 'Commands, events and all their types.',
      returns: array(any),
      run(_, { commands }) {
        const events = Object.entries(eventTypes).map(
          ([name, data]) => [name, data?.schema] as const,
        );
        return introspect(commands.values(), events);
      },
    },
  ),
  command(
    'quit',
    {},
    {
      doc: 'Ends the program that the monitor belongs to, after this reply.',
      run: (_, monitor) => monitor.quit(),
    },
  ),
];
