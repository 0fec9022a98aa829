// Reads a built binary: will it load on the oldest system, and does it show nothing but Node-API?
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { root, UserError } from '../lib/project.mjs';
import { capture } from '../lib/run.mjs';
import { oldestGlibc } from './targets.mjs';

const readelf = (file, ...options) => capture('readelf', ['--wide', ...options, file]) ?? '';

const newer = (a, b) => a.localeCompare(b, 'en', { numeric: true }) > 0;

/** The names in a dynamic symbol table, without versions. */
function symbols(file) {
  const lines = readelf(file, '--dyn-syms').split('\n');
  const all = lines
    .map((line) => line.trim().split(/\s+/))
    // Local ones are sections, which some linkers keep.
    .filter((columns) => /^\d+:$/.test(columns[0]) && columns[4] !== 'LOCAL' && columns[7])
    .map(([, , , , binding, , section, name]) => ({
      name: name.split('@')[0],
      versioned: name.includes('@'),
      weak: binding === 'WEAK',
      defined: section !== 'UND',
    }));
  return {
    defined: all.filter((symbol) => symbol.defined),
    undefined: all.filter((symbol) => !symbol.defined),
  };
}

/** The newest version needed of each library: { GLIBC: '2.14', ... }. */
function neededVersions(file) {
  const needed = {};
  for (const [, library, version] of readelf(file, '--version-info').matchAll(
    /Name: ([A-Z]+)_([\d.]+)/g,
  )) {
    if (newer(version, needed[library] ?? '0')) needed[library] = version;
  }
  return needed;
}

const isNodes = (name) => /^(napi|node_api|uv)_/.test(name);

/** The functions of Node that the binary calls. */
export const nodeSymbolsOf = (file) =>
  symbols(file)
    .undefined.map(({ name }) => name)
    .filter(isNodes);

const namesDefinedBy = (file) => new Set(symbols(file).defined.map(({ name }) => name));

/** What Node and the C library must have for the binary to load, as far as they can be asked here. */
function missingSymbols(target, file) {
  // Whatever node runs this, its Node-API and libuv are no newer than it. A distribution's may have
  // them in a library.
  const ofNode = namesDefinedBy(process.execPath);
  const libc = join(target.folder, 'sysroot/usr/lib/libc.so');
  const ofMusl = target.libc === 'musl' && existsSync(libc) ? namesDefinedBy(libc) : undefined;
  const isMissing = ({ name, versioned }) => {
    if (isNodes(name)) return ofNode.has('napi_create_object') && !ofNode.has(name);
    // glibc gives every symbol a version, musl none.
    return target.libc === 'musl' ? ofMusl?.has(name) === false : !versioned;
  };
  return symbols(file)
    .undefined.filter((symbol) => symbol.name && !symbol.weak && isMissing(symbol))
    .map(({ name }) => name);
}

const list = (names) => names.join(', ');

/** Returns what is wrong with the binary, as sentences, and what it needs, for the report. */
function examine(target) {
  const { file } = target;
  const dynamic = readelf(file, '--dynamic');
  const libraries = [...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
  const versions = neededVersions(file);
  const tooNew = Object.keys(versions).filter((name) =>
    newer(versions[name], oldestGlibc[name] ?? versions[name]),
  );
  const exported = symbols(file)
    .defined.map(({ name }) => name)
    .filter((name) => !/^(napi|node_api)_/.test(name));
  const others = libraries.filter((name) => !target.libraries.includes(name));
  const missing = missingSymbols(target, file);
  const findings = [
    [!readelf(file, '--file-header').includes(target.elf), `is not for ${target.elf}`],
    [libraries.length === 0, 'has no dynamic section'],
    [others.length > 0, `needs ${list(others)}, which no Node brings along`],
    [tooNew.length > 0, `needs ${list(tooNew)} newer than Debian 11 has`],
    [target.libc === 'glibc' && !versions.GLIBC, 'has no symbol versions'],
    [exported.length > 0, `exports ${list(exported)}`],
    [missing.length > 0, `uses ${list(missing)}, which nobody defines`],
    [/\((RPATH|RUNPATH)\)/.test(dynamic), 'has a search path for libraries'],
    [readelf(file, '--section-headers').includes('.symtab'), 'is not stripped'],
    [readFileSync(file).includes(root), 'contains a path of this machine'],
  ];
  return {
    findings: findings.filter(([found]) => found).map(([, text]) => text),
    libraries,
    versions,
  };
}

/** Fails with all that is wrong; returns a line of what the binary needs. */
export function inspectTarget(target) {
  const { findings, libraries, versions } = examine(target);
  if (findings.length > 0) throw new UserError(`${target.file} ${findings.join('; ')}`);
  const kib = Math.round(statSync(target.file).size / 1024);
  const needs = Object.entries(versions).map(([library, version]) => `${library} ${version}`);
  return `${kib} KiB, needs ${list([...libraries, ...needs])}`;
}
