import { parseArgs } from 'node:util';

/** What every benchmark understands, and `more`; undefined after the usage was printed. */
export function parseFlags(usage, more = {}) {
  const { values } = parseArgs({
    options: {
      ...more,
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
