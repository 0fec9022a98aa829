// V8 compiles a function in parentheses together with what is around it. Those that esbuild wraps
// modules into have none, so V8 would go through each module twice: to find its end, and to run it.
import { decodedMappings, encodedMap, TraceMap } from '@jridgewell/trace-mapping';

const opening = /(?<=__commonJS\(\{\s*"([^"]+)")(?=\([\w,\s]*\)\{)/g;
const closing = /(?<=\})(?=\s*\}\);\s*(?:var require_\w+=__commonJS\(|module\.exports=\{))/g;

/** What is put where, in the order of the text: nothing into modules that only name another bundle's. */
function insertions(text, isRun) {
  const openings = [...text.matchAll(opening)];
  const closings = [...text.matchAll(closing)];
  if (openings.length !== closings.length) {
    const found = `${openings.length} beginnings, ${closings.length} ends`;
    throw new Error(
      `esbuild wraps modules in another way than scripts/lib/compiled-at-once.mjs knows: ${found}`,
    );
  }
  return openings.flatMap(({ index, 1: name }, i) =>
    isRun(name)
      ? [
          { at: index, what: ':(function' },
          { at: closings[i].index, what: ')' },
        ]
      : [],
  );
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

/** A bundle, of whose modules those are run when it is loaded that `isRun` names, and its map. */
export function compiledAtOnce(text, map, isRun) {
  const inserted = insertions(text, isRun);
  return { text: insertedText(text, inserted), map: insertedMap(text, map, inserted) };
}
