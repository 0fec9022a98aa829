// Writes docs/qmp.md from the table of commands; with --check it only tells whether the page is as the
// table says.
import { readFileSync, writeFileSync } from 'node:fs';
import { inRoot, log, main } from './lib/project.mjs';

const PAGE = inRoot('docs/qmp.md');
/** What stands above this line is written by people. */
const MARK = '<!-- from here on written by scripts/qmp-docs.mjs -->';

/** A type in a few words. */
function typeText(schema) {
  switch (schema.meta) {
    case 'builtin':
      return rangeText(schema);
    case 'enum':
      return schema.values.length > 6
        ? schema.name
        : schema.values.map((v) => `\`${v}\``).join(', ');
    case 'array':
      return `list of ${typeText(schema.of())}`;
    case 'alternate':
      return schema.of().map(typeText).join(' or ');
    default:
      return schema.name;
  }
}

function rangeText({ name, min, max }) {
  if (name !== 'int') return name;
  if (min === 0) return max === Number.MAX_SAFE_INTEGER ? 'int, at least 0' : `int, 0 to ${max}`;
  return 'int';
}

function argumentRows({ schema }) {
  const members = Object.entries(schema.members());
  if (members.length === 0) return [];
  const rows = members.map(
    ([name, { schema: of, optional }]) =>
      `| \`${name}\` | ${typeText(of)} | ${optional ? '' : 'yes'} |`,
  );
  return ['', '| argument | type | needed |', '| --- | --- | --- |', ...rows];
}

function section({ name, doc, arguments: args, returns, classes }) {
  const tag =
    args.schema.tag === undefined
      ? []
      : ['', `What else it takes depends on \`${args.schema.tag}\`.`];
  const errors = Object.values(classes);
  return [
    `### ${name}`,
    '',
    doc,
    ...argumentRows(args),
    ...tag,
    '',
    `Returns ${returns === undefined ? 'nothing' : typeText(returns.schema)}.${errors.length === 0 ? '' : ` Errors: GenericError, ${errors.join(', ')}.`}`,
    '',
  ].join('\n');
}

await main(import.meta, async ([flag]) => {
  const { builtinCommands } = await import('../dist/qmp/commands/index.js');
  const { eventTypes } = await import('../dist/qmp/schema/events.js');
  const text = readFileSync(PAGE, 'utf8');
  const head = text.slice(0, text.indexOf(MARK) + MARK.length);
  const commands = [...builtinCommands].sort((one, other) => (one.name < other.name ? -1 : 1));
  const events = Object.entries(eventTypes).map(([name, data]) =>
    [
      `### ${name}`,
      ...(data === undefined ? ['', 'No data.'] : argumentRows({ schema: data.schema })),
      '',
    ].join('\n'),
  );
  const page = `${head}\n\n## Commands\n\n${commands.map(section).join('\n')}\n## Events\n\n${events.join('\n')}`;
  const normal = `${page.trimEnd()}\n`;
  if (flag === '--check') {
    const isSame = normal.replaceAll(/[ -]+/g, ' ') === text.replaceAll(/[ -]+/g, ' ');
    log(
      'qmp-docs',
      isSame ? 'docs/qmp.md is as the table says' : 'docs/qmp.md: run node scripts/qmp-docs.mjs',
    );
    return isSame ? 0 : 1;
  }
  writeFileSync(PAGE, normal);
  return 0;
});
