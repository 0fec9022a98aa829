// Three files instead of hundreds: finding, reading and wrapping a module takes Node 0.3 ms, and a
// virtual machine is to start in 30. The modules stay modules, each run when it is first required.
// (docs/architecture.md, "What is loaded", says what they may not do then.)
// What tsc made of them is replaced by lines that fetch them out of the bundles, so that whoever
// names one (the package's entries, tests) shares its state with all others.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { compiledAtOnce } from './compiled-at-once.mjs';
import { isLater, laterModules } from './later.mjs';
import { root } from './project.mjs';
import { filesBelow } from './stale.mjs';

/** What opening a disk takes, what else its backend and its graph can do, and all else. */
const CORE = 'core.js';
const MORE = 'more.js';
const REST = 'rest.js';

/** The package's main entry, and what its users begin with. */
const MAIN = 'index.js';
const FIRST = 'block-backend.js';

const requires = /\brequire\("(\.[^"]+)"\)/g;
/** tsc writes `const` for what a module uses itself, and `var` for what it only exports again. */
const usedItself = /^const (\w+) = require\("(\.[^"]+)"\);$/gm;
const exportedAgain = /^var (\w+) = require\("(\.[^"]+)"\);$/gm;
const oneExport =
  /^Object\.defineProperty\(exports, "(\w+)", \{ enumerable: true, get: function \(\) \{ return (\w+)\.\w+; \} \}\);$/gm;
const wholeModule = /^exports\.(\w+) = __importStar\(require\("(\.[^"]+)"\)\);$/gm;
const announced = /^(?:exports\.\w+ = )+void 0;$/gm;

const pathFrom = (file, path) => join(dirname(file), path);

/** The modules that those in `first` lead to, themselves included. */
function reachedFrom(first, sources, enters = () => true) {
  const reached = new Set();
  const visit = (file) => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const [, path] of sources.get(file).matchAll(requires)) {
      const next = pathFrom(file, path);
      if (enters(next)) visit(next);
    }
  };
  for (const file of first) visit(file);
  return reached;
}

/** What belongs to `later` is required where it is used, each time, and not when `file` is run. */
function requireLater(file, source, later) {
  const names = [];
  const changed = source.replace(usedItself, (line, name, path) => {
    if (!later(pathFrom(file, path))) return line;
    names.push(name);
    return `const ${name} = () => require("${path}");`;
  });
  if (names.length === 0) return source;
  // In parentheses, as `new` would take what is before the first ones for the class.
  return changed.replace(new RegExp(`\\b(${names.join('|')})\\.`, 'g'), '($1()).');
}

const EXPORT_LATER = `
function exportLater(of, names) {
  for (const name of names) {
    Object.defineProperty(exports, name, { enumerable: true, get: () => of()[name] });
  }
}
`;

/** The main entry: what it only exports again is required when somebody asks for it. */
function exportLater(source) {
  const modules = new Map();
  for (const [, name, path] of source.matchAll(exportedAgain))
    modules.set(name, { path, names: [] });
  for (const [, name, from] of source.matchAll(oneExport)) modules.get(from).names.push(name);
  const calls = [...modules.values()].map(
    ({ path, names }) => `exportLater(() => require("${path}"), "${names.join(' ')}".split(" "));`,
  );
  // A module that tsc made is itself what __importStar() returns.
  const wholes = [...source.matchAll(wholeModule)].map(
    ([, name, path]) => `exportLater(() => ({ ${name}: require("${path}") }), ["${name}"]);`,
  );
  const own = [exportedAgain, oneExport, wholeModule, announced].reduce(
    (text, pattern) => text.replace(pattern, ''),
    source,
  );
  return [own, EXPORT_LATER, ...calls, ...wholes].join('\n');
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

const escaped = (text) => text.replaceAll(/[.\\]/g, '\\$&');

/** esbuild's plugin: reads from `sources`, and takes what is not in `bundle` from the others. */
const bundling = (folder, bundle, sources, bundleOf) => ({
  name: 'bundling',
  setup({ onLoad, onResolve }) {
    const others = [CORE, MORE, REST].filter((name) => name !== bundle);
    onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) => {
      const file = relative(folder, join(resolveDir, path));
      if (others.includes(file)) return { path: `./${file}`, external: true };
      if (bundleOf(file) === bundle) return { path: join(folder, file), namespace: 'file' };
      return { path: file, namespace: 'other', pluginData: folder };
    });
    onLoad({ filter: /.*/, namespace: 'other' }, ({ path }) => ({
      contents: `module.exports = require('./${bundleOf(path)}')['${path}']();`,
      resolveDir: folder,
    }));
    onLoad({ filter: new RegExp(`^${escaped(folder)}/`) }, ({ path }) => ({
      contents: sources.get(relative(folder, path)),
      loader: 'js',
    }));
  },
});

async function write(name, folder, sources, bundleOf) {
  const { build } = await import('esbuild');
  const modules = [...sources.keys()]
    .filter((file) => bundleOf(file) === name)
    .map((file) => `'${file}': () => require('./${file}'),`);
  const { outputFiles } = await build({
    stdin: { contents: `module.exports = {\n${modules.join('\n')}\n};`, resolveDir: folder },
    outfile: join(folder, name),
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    packages: 'external',
    minifyWhitespace: true,
    // Node shows the line of what is thrown and not caught.
    lineLimit: 160,
    sourcemap: true,
    logLevel: 'warning',
    plugins: [bundling(folder, name, sources, bundleOf)],
  });
  const [map, text] = ['.js.map', '.js'].map(
    (end) => outputFiles.find(({ path }) => path.endsWith(end)).text,
  );
  const result =
    name === CORE
      ? compiledAtOnce(text, map, (module) => !module.startsWith('other:'))
      : { text, map };
  writeFileSync(join(folder, name), result.text);
  writeFileSync(join(folder, `${name}.map`), result.map);
}

/** Bundles the modules that tsc put into `folder`. */
export async function bundle(folder) {
  const files = filesBelow(relative(root, folder)).filter((file) => file.endsWith('.js'));
  const compiled = new Map(
    files.map((file) => [relative(folder, file), readFileSync(file, 'utf8')]),
  );
  const used = [...compiled.get(MAIN).matchAll(usedItself)].map(([, , path]) => join(path));
  const first = [FIRST, ...used].filter((file) => !isLater(file));
  const core = reachedFrom(first, compiled, (file) => !isLater(file)).add(MAIN);
  const more = reachedFrom(laterModules(compiled), compiled, (file) => !core.has(file));
  const bundleOf = (file) => (core.has(file) && CORE) || (more.has(file) && MORE) || REST;

  const sources = new Map(compiled);
  sources.set(MAIN, exportLater(compiled.get(MAIN)));
  for (const file of core) sources.set(file, requireLater(file, sources.get(file), isLater));
  for (const name of [CORE, MORE, REST]) await write(name, folder, sources, bundleOf);
  for (const [file, source] of compiled) {
    writeFileSync(join(folder, file), stub(file, source, bundleOf(file)));
    rmSync(join(folder, `${file}.map`));
  }
}
