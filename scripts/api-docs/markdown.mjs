// Pages of the reference, made of the model. A page is an area: a folder of lib/.

/** Folder or file of lib/ -> the area that it belongs to; the order is that of the index. */
const areas = [
  { page: 'backend', title: 'Backends', paths: ['block-backend.ts', 'drive.ts', 'backend/'] },
  { page: 'errors', title: 'Errors', paths: ['errors/'] },
  { page: 'aio', title: 'Event loops and memory', paths: ['index.ts', 'aio/'] },
  { page: 'graph', title: 'Nodes and their graph', paths: ['graph/'] },
  { page: 'drivers', title: 'Drivers and their controls', paths: ['drivers/'] },
  { page: 'monitor', title: 'Commands and queries of the monitor', paths: ['monitor/'] },
  { page: 'throttle', title: 'Limits', paths: ['throttle/'] },
  { page: 'accounting', title: 'Accounting and metrics', paths: ['accounting/', 'metrics/'] },
  { page: 'exports', title: 'NBD servers', paths: ['exports/'] },
  { page: 'qmp', title: 'QMP servers', paths: ['qmp/'] },
  { page: 'qemu-io', title: "qemu-io's commands", paths: ['qemu-io/'] },
  { page: 'v86', title: 'Disks of v86', paths: ['v86/'] },
];

const areaOf = ({ file }) =>
  areas.find(({ paths }) => paths.some((path) => file.startsWith(`lib/${path}`)));

/** As GitHub makes it of a heading. */
const anchorOf = (heading) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

/** The items of every area that has any, in alphabetical order, and what users import them from. */
function grouped(modules) {
  const all = modules.flatMap(({ from, items }) => items.map((item) => ({ ...item, from })));
  const stray = all.filter((item) => areaOf(item) === undefined);
  if (stray.length > 0) throw new Error(`${stray[0].file} belongs to no area of the reference`);
  return areas
    .map((area) => ({
      ...area,
      items: all
        .filter((item) => areaOf(item) === area)
        .sort((one, other) => (one.name.toLowerCase() < other.name.toLowerCase() ? -1 : 1)),
    }))
    .filter(({ items }) => items.length > 0);
}

/** Finds where `{@link NAME}` leads: to an item, to a member of one, or of the class that says it. */
class Links {
  #items = new Map();
  /** What led nowhere. */
  dangling = [];

  constructor(groups) {
    for (const { page, items } of groups) {
      for (const item of items) this.#items.set(item.name, { page, members: membersIn(item) });
    }
  }

  resolve(text, from) {
    return text.replace(/\{@link ([\w.]+)\}/g, (_, target) => {
      const own = `${from.name}.${target}`;
      const page = this.#pageOf(own) ?? this.#pageOf(target);
      if (page === undefined) {
        this.dangling.push(`${from.file}: ${target}`);
        return `\`${target}\``;
      }
      const place = page === from.page ? '' : `${page}.md`;
      const anchor = anchorOf(this.#pageOf(own) === undefined ? target : own);
      return `[\`${target}\`](${place}#${anchor})`;
    });
  }

  /** Of `ITEM` or `ITEM.MEMBER`. */
  #pageOf(target) {
    const [name, member] = target.split('.');
    const item = this.#items.get(name);
    return member === undefined || item?.members.has(member) ? item?.page : undefined;
  }
}

const tagTitles = {
  param: (text) => text.replace(/^(\w+)\s*/, '**`$1`**: '),
  returns: (text) => `**Returns** ${text}`,
  throws: (text) =>
    text.startsWith('(rejects)')
      ? `**Rejects** with ${text
          .slice('(rejects)'.length)
          .trim()
          .replace(/^with /, '')}`
      : `**Throws** ${text}`,
};

/** A comment as Markdown: paragraphs, then its tags. */
export function prose(doc) {
  const [text, ...tags] = doc.split(/(?:^|(?<=\s))@(?=(?:param|returns|throws)\b)/);
  const lines = tags.map((tag) => {
    const [, name, rest] = /^(\w+)\s*([\s\S]*)$/.exec(tag);
    return `- ${tagTitles[name](rest.trim().replace(/\s+/g, ' '))}`;
  });
  return [text.trim(), lines.join('\n')].filter((part) => part !== '').join('\n\n');
}

const fence = (code) => `\`\`\`ts\n${code}\n\`\`\``;

function classSections(item, say) {
  return item.sections.flatMap(({ doc, members }, index) => [
    ...(index === 0 || doc === '' ? [] : ['---', say(doc)]),
    ...members.flatMap((member) => [
      `### ${item.name}.${member.name}`,
      fence(member.head),
      say(member.doc),
    ]),
  ]);
}

const membersIn = ({ sections = [] }) =>
  new Set(sections.flatMap(({ members }) => members).map(({ name }) => name));

function itemText(item, links) {
  const say = (doc) => links.resolve(prose(doc), item);
  const parts = [`## ${item.name}`, say(item.doc), fenceOf(item)];
  if (item.sections) parts.push(...classSections(item, say));
  parts.push(`<sub>${item.kind}, \`${item.file}\`</sub>`);
  return parts.filter((part) => part !== '').join('\n\n');
}

const fenceOf = ({ head }) => (head === '' ? '' : fence(head));

/** The first sentence without its full stop; of a long one what stands before its first colon. */
export function firstSentence(doc) {
  const [paragraph] = doc.replace(/\{@link ([\w.]+)\}/g, '`$1`').split(/\n\n|(?:^|\s)@/);
  const text = paragraph.replace(/\s+/g, ' ').trim();
  const [sentence] = /^(?:\([^)]*\)|.)*?\.(?= |$)/.exec(text) ?? [text];
  const short = sentence.length > 100 ? sentence.split(/(?<!\b[A-Z]+): /, 1)[0] : sentence;
  return short.replace(/\.$/, '');
}

/** The reference as files: { name, text }; and the links in it that lead nowhere. */
export function referencePages(modules, version) {
  const groups = grouped(modules);
  const links = new Links(groups);
  const pages = groups.map(({ page, title, items }) => ({
    name: `${page}.md`,
    text: `${[
      `# ${title}`,
      `Of \`${items[0].from}\` ${version}, made from its sources by \`npm run docs\`. [All pages](README.md)`,
      ...items.map((item) => itemText({ ...item, page }, links)),
    ].join('\n\n')}\n`,
  }));
  const list = groups.map(
    ({ page, title, items }) =>
      `## [${title}](${page}.md)\n\n${items.map(({ name }) => `[${name}](${page}.md#${anchorOf(name)})`).join(', ')}`,
  );
  const index = {
    name: 'README.md',
    text: `# API of block-backend ${version}\n\n${list.join('\n\n')}\n`,
  };
  return { pages: [index, ...pages], dangling: links.dangling };
}

const cell = (text) => text.replaceAll('|', '\\|');

/** The tables of docs/api.md: every name, what it is, and where its documentation stands. */
export function indexTables(modules) {
  return grouped(modules)
    .map(({ title, items }) => {
      const rows = items.map(
        ({ name, kind, file, doc }) =>
          `| [\`${name}\`](../${file}) | ${kind} | ${cell(firstSentence(doc))} |`,
      );
      return [`## ${title}`, '', '| name | | |', '| --- | --- | --- |', ...rows].join('\n');
    })
    .join('\n\n');
}
