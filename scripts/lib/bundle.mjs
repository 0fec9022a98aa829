// Two files instead of hundreds: finding, reading and wrapping a module takes Node 0.3 ms, and a
// virtual machine is to start in 30. The modules stay modules, each run when it is first required.
// (docs/architecture.md, "What is loaded", says what they may not do then.)
// What tsc made of them is replaced by lines that fetch them out of the bundles, so that whoever
// names one (the package's entries, tests) shares its state with all others.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { root } from './project.mjs';
import { filesBelow } from './stale.mjs';

/** What opening a disk takes, and all else. */
const CORE = 'core.js';
const REST = 'rest.js';

/** The package's main entry, and what its users begin with. */
const MAIN = 'index.js';
const FIRST = 'block-backend.js';

const requires = /\brequire\("(\.[^"]+)"\)/g;
/** tsc writes `const` for what a module uses itself, and `var` for what it only exports again. */
const usedItself = /^const \w+ = require\("(\.[^"]+)"\);$/gm;
const exportedAgain = /^var (\w+) = (require\("\.[^"]+"\));$/gm;

/** The modules that those in `first` lead to, themselves included. */
function reachedFrom(first, sources) {
  const reached = new Set();
  const visit = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const [, path] of sources.get(file).matchAll(requires)) visit(join(dirname(file), path));
  };
  for (const file of first) visit(file);
  return reached;
}

/**
 * The exports of tsc are getters already: with this, one that is exported again is required when
 * it is first asked for.
 */
function requireLater(source) {
  const names = [];
  const later = source.replace(exportedAgain, (_, name, call) => {
    names.push(name);
    return `const ${name} = () => ${call};`;
  });
  return later.replace(new RegExp(`\\b(${names.join('|')})\\.`, 'g'), '$1().');
}

/** Node's ES modules find the names of a CommonJS module in its text. */
function exportedNames(source) {
  const assigned = source.matchAll(/^exports\.(\w+) = (?!void 0)/gm);
  const defined = source.matchAll(/^Object\.defineProperty\(exports, "(\w+)", \{/gm);
  const names = [...assigned, ...defined].map(([, name]) => name);
  return [...new Set(names)].filter((name) => name !== '__esModule');
}

function stub(file, source, bundle) {
  const [first] = source.split('\n', 1);
  const shebang = first.startsWith('#!') ? `${first}\n` : '';
  const path = relative(dirname(file), bundle);
  const fetched = `require('${path.startsWith('.') ? path : `./${path}`}')['${file}']()`;
  const names = `0 && (module.exports = { ${exportedNames(source).join(', ')} });`;
  return `${shebang}module.exports = ${fetched};\n${names}\n`;
}

/** esbuild's plugin: reads from `sources`, and takes what is not in `files` from the other bundle. */
const bundling = (folder, sources, files, other) => ({
  name: 'bundling',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
      const file = relative(folder, join(resolveDir, path));
      if (file === other) return { path: `./${other}`, external: true };
      if (!files.has(file)) return { path: file, namespace: 'other', pluginData: folder };
      return { path: join(folder, file), namespace: 'file' };
    });
    onLoad({ filter: /.*/, namespace: 'other' }, ({ path }) => ({
      contents: `module.exports = require('./${other}')['${path}']();`,
      resolveDir: folder,
    }));
    const main = new RegExp(`${join(folder, MAIN).replaceAll(/[.\\]/g, '\\$&')}$`);
    onLoad({ filter: main }, () => ({ contents: requireLater(sources.get(MAIN)), loader: 'js' }));
  },
});

async function write(name, other, files, folder, sources) {
  const { build } = await import('esbuild');
  const modules = [...files].map((file) => `'${file}': () => require('./${file}'),`);
  await build({
    stdin: { contents: `module.exports = {\n${modules.join('\n')}\n};`, resolveDir: folder },
    outfile: join(folder, name),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    packages: 'external',
    minifyWhitespace: true,
    sourcemap: true,
    logLevel: 'warning',
    plugins: [bundling(folder, sources, files, other)],
  });
}

/** Bundles the modules that tsc put into `folder`. */
export async function bundle(folder) {
  const files = filesBelow(relative(root, folder)).filter((file) => file.endsWith('.js'));
  const sources = new Map(
    files.map((file) => [relative(folder, file), readFileSync(file, 'utf8')]),
  );
  const used = [...sources.get(MAIN).matchAll(usedItself)].map(([, path]) => join(path));
  const core = reachedFrom([FIRST, ...used], sources).add(MAIN);
  const rest = new Set([...sources.keys()].filter((file) => !core.has(file)));
  await write(CORE, REST, core, folder, sources);
  await write(REST, CORE, rest, folder, sources);
  for (const [file, source] of sources) {
    writeFileSync(join(folder, file), stub(file, source, core.has(file) ? CORE : REST));
    rmSync(join(folder, `${file}.map`));
  }
}
