// V8 compiles a function in parentheses together with what is around it. Those that esbuild wraps
// modules into have none, so V8 would go through each module twice: to find its end, and to run it.
import { decodedMappings, encodedMap, TraceMap } from '@jridgewell/trace-mapping';

const opening = /(?<=__commonJS\(\{"[^"]+")(?=\([\w,]*\)\{)/g;
const closing = /(?<=\})(?=\}\);(?:var require_\w+=__commonJS\(|module\.exports=\{))/g;

/** What is put where, in the order of the text. */
function insertions(text) {
  const of = (pattern, what) => [...text.matchAll(pattern)].map(({ index: at }) => ({ at, what }));
  const [openings, closings] = [of(opening, ':(function'), of(closing, ')')];
  if (openings.length !== closings.length) {
    throw new Error(`esbuild wraps modules in another way: ${openings.length} begin, ${closings.length} end`);
  }
  return [...openings, ...closings].sort((one, other) => one.at - other.at);
}

function insertedText(text, inserted) {
  const parts = inserted.map(({ at, what }, i) => text.slice(inserted[i - 1]?.at ?? 0, at) + what);
  return parts.join('') + text.slice(inserted.at(-1)?.at ?? 0);
}

/** Moves what a map says of a line by what was put before it there. */
function insertedMap(text, map, inserted) {
  const traced = new TraceMap(map);
  const next = inserted.values();
  let insertion = next.next().value;
  let lineStart = 0;
  const mappings = decodedMappings(traced).map((segments) => {
    let moved = 0;
    const result = segments.map(([column, ...source]) => {
      for (; insertion && insertion.at <= lineStart + column; insertion = next.next().value) {
        moved += insertion.what.length;
      }
      return [column + moved, ...source];
    });
    const lineEnd = text.indexOf('\n', lineStart);
    while (insertion?.at < lineEnd) insertion = next.next().value;
    lineStart = lineEnd + 1;
    return result;
  });
  return JSON.stringify(encodedMap(new TraceMap({ ...JSON.parse(map), mappings })));
}

/** A bundle of modules that are all run when it is loaded, and its map. */
export function compiledAtOnce(text, map) {
  const inserted = insertions(text);
  return { text: insertedText(text, inserted), map: insertedMap(text, map, inserted) };
}
