import { parseArgs } from 'node:util';

/** What every benchmark understands; undefined after the usage was printed. */
export function parseFlags(usage) {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (!values.help) return values;
  process.stdout.write(usage);
  return undefined;
}
