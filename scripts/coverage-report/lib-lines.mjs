// Which lines of lib/ ran: in jest, which compiles them itself, or in programs that tests started,
// which run dist/.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eachMapping, TraceMap } from '@jridgewell/trace-mapping';
import { filesBelow } from '../lib/stale.mjs';

/** Where each line of a text begins. */
function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** One of the bundles in dist/, and which of its characters ran in any process. */
class Script {
  #ran;
  #segments = [];

  constructor(path) {
    const text = readFileSync(path, 'utf8');
    const starts = lineStarts(text);
    this.#ran = new Uint8Array(text.length);
    const map = new TraceMap(readFileSync(`${path}.map`, 'utf8'));
    eachMapping(map, ({ generatedLine, generatedColumn, source, originalLine }) => {
      if (originalLine === null || !source.endsWith('.ts')) return;
      const at = starts[generatedLine - 1] + generatedColumn;
      this.#segments.push({ at, source: resolve(dirname(path), source), line: originalLine });
    });
  }

  /** Ranges lie within those before them, and have the last word. */
  add(functions) {
    const ranges = functions.flatMap((each) => each.ranges);
    ranges.sort(
      (one, other) => one.startOffset - other.startOffset || other.endOffset - one.endOffset,
    );
    const now = new Uint8Array(this.#ran.length);
    for (const { startOffset, endOffset, count } of ranges) {
      now.fill(count > 0 ? 1 : 0, startOffset, endOffset);
    }
    for (let at = 0; at < now.length; at += 1) this.#ran[at] |= now[at];
  }

  /** Source -> line -> whether it ran, of the lines that were compiled to something. */
  lines() {
    const sources = new Map();
    for (const { at, source, line } of this.#segments) {
      if (!sources.has(source)) sources.set(source, new Map());
      const lines = sources.get(source);
      lines.set(line, (lines.get(line) ?? false) || this.#ran[at] === 1);
    }
    return sources;
  }
}

function* reports(folder) {
  for (const name of readdirSync(folder)) {
    try {
      yield JSON.parse(readFileSync(join(folder, name), 'utf8')).result;
    } catch (error) {
      // Of a process that was killed while it wrote it.
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
}

/** What jest found, as a function of file and line. */
function jestLines(files) {
  const ran = new Set();
  for (const file of files) {
    for (const { path, statementMap, s } of Object.values(JSON.parse(readFileSync(file, 'utf8')))) {
      for (const [id, { start }] of Object.entries(statementMap)) {
        if (s[id] > 0) ran.add(`${path}:${start.line}`);
      }
    }
  }
  return (path, line) => ran.has(`${path}:${line}`);
}

/**
 * File of lib/ -> line -> whether it ran.
 *
 * @param root of the project
 * @param jestFiles its reports, in istanbul's form
 * @param children folder with V8's reports of the other processes
 */
export function libLines(root, jestFiles, children) {
  const compiled = filesBelow('dist').filter(
    (path) => path.endsWith('.js') && existsSync(`${path}.map`),
  );
  const scripts = new Map(compiled.map((path) => [path, new Script(path)]));
  for (const result of reports(children)) {
    for (const { url, functions } of result) {
      if (url.startsWith('file://')) scripts.get(fileURLToPath(url))?.add(functions);
    }
  }
  const inJest = jestLines(jestFiles);
  const files = new Map();
  for (const [source, lines] of [...scripts.values()].flatMap((script) => [...script.lines()])) {
    for (const [line, ran] of lines) lines.set(line, ran || inJest(source, line));
    files.set(relative(root, source), lines);
  }
  return files;
}
