// The reference of what the package exports, made of the comments in lib/.
//
//   node scripts/api-docs.mjs            writes docs/api.md, the index, and docs/api/, the pages
//   node scripts/api-docs.mjs --check    tells whether the index is as lib/ says and every export is
//                                        documented; writes nothing
//
// The index is kept in the repository: it is small, and leads to the sources. The pages are not: they
// are as long as the comments that they are made of, and whatever changes one of those would have to
// change the other. They are made for the package when it is published.
//
// typedoc needs a compiler API that TypeScript 7 does not have; its parser and checker are enough.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { indexTables, prose, referencePages } from './api-docs/markdown.mjs';
import { inRoot, log, main, tools } from './lib/project.mjs';
import { mustRunNode } from './lib/run.mjs';
import { setup } from './setup.mjs';

const INDEX = inRoot('docs/api.md');
/** What stands above this line is written by people. */
const MARK = '<!-- from here on written by scripts/api-docs.mjs -->';

function indexPage(text, modules) {
  const head = text.slice(0, text.indexOf(MARK) + MARK.length);
  return `${head}\n\n${indexTables(modules)}\n`;
}

/** A comment says something: more than its tags, and the name that something has in QEMU. */
const says = (doc) => prose(doc.split(/(?:^|\s)@/, 1)[0].replace(/\([^)]*\)/g, '')) !== '';

/** What has no comment, or one that says nothing. */
function undocumented({ items }) {
  return items.flatMap(({ name, file, doc, sections = [] }) => [
    ...(says(doc) ? [] : [`${file}: ${name}`]),
    ...sections
      .flatMap(({ members }) => members)
      .filter((member) => !says(member.doc))
      .map((member) => `${file}: ${name}.${member.name}`),
  ]);
}

/** Formatters pad the cells of tables. */
const normal = (text) => text.replaceAll(/[ -]+/g, ' ');

function problems(modules, dangling) {
  const text = readFileSync(INDEX, 'utf8');
  const isSame = normal(indexPage(text, modules)) === normal(text);
  return [
    ...modules.flatMap(undocumented).map((place) => `${place} has no documentation`),
    ...dangling.map((place) => `${place} is linked and not exported`),
    ...(isSame ? [] : ['docs/api.md is not as lib/ says: run npm run docs']),
  ];
}

await main(import.meta, async ([flag]) => {
  await setup();
  // Here and not above, as it uses what setup() installs.
  const { packageVersion, readExports } = await import('./api-docs/model.mjs');
  const modules = readExports();
  const { pages, dangling } = referencePages(modules, packageVersion());
  if (flag === '--check') {
    const found = problems(modules, dangling);
    for (const problem of found) log('api-docs', problem);
    if (found.length === 0) log('api-docs', 'docs/api.md is as lib/ says');
    return found.length === 0 ? 0 : 1;
  }
  writeFileSync(INDEX, indexPage(readFileSync(INDEX, 'utf8'), modules));
  await mustRunNode('formatting', tools.biome, ['format', '--log-level=error', '--write', INDEX]);
  const folder = inRoot('docs/api');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const { name, text } of pages) writeFileSync(join(folder, name), text);
  log('api-docs', `docs/api.md, and ${pages.length} pages in docs/api`);
  return 0;
});
