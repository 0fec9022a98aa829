import { type Command, Option } from 'commander';
import type { GraphOptions } from '../graph.js';
import { addEngineOptions } from './engine-options.js';

const DESCRIPTION = `Opens disks (paths, or 'json:{...}') and shows the graph of nodes below them:
drivers, options, roles, and the permissions that every edge holds. It writes
nothing to them. Later disks may name nodes of earlier ones.`;

const AFTER = `
dot is for Graphviz, svg for a browser. Exit codes: 0 fine, 1 error, 2 usage.`;

export function addGraph(program: Command): void {
  const command = program
    .command('graph')
    .summary('show the nodes of a disk')
    .description(DESCRIPTION)
    .argument('<image...>')
    .addOption(
      new Option('--format <format>', 'drawing').choices(['text', 'dot', 'svg']).default('text'),
    )
    .addOption(new Option('--json', 'print the graph as JSON').conflicts('format'))
    .option('--output <file>', 'write to a file, not to standard output')
    .option('--writable', 'open it as the disk of a guest that may write');
  addEngineOptions(command)
    .addHelpText('after', AFTER)
    .action(async (images: string[], options: GraphOptions) => {
      // Here and not above, so that help needs no addon.
      const { runGraph } = await import('../graph.js');
      await runGraph(images, options);
    });
}
