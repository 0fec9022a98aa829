// Replies of two programs, made comparable: what must differ is taken out, nothing else.

/** A name that a program made up. */
const GENERATED = /#block\d+/g;
const JSON_NAME = /^json:(.*)$/s;

/** With keys in order, as QEMU's hash tables and our objects have theirs in different ones. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([name, field]) => [name, sorted(field)]));
}

function comparableText(text: string): unknown {
  const [, json] = JSON_NAME.exec(text) ?? [];
  if (json !== undefined) return { json: sorted(JSON.parse(json)) };
  return text.replaceAll(GENERATED, '#block');
}

/** Generated names become equal, and 'json:' names what they say. `drop`: fields left out. */
export function comparable(value: unknown, drop: readonly string[] = []): unknown {
  if (typeof value === 'string') return comparableText(value);
  if (Array.isArray(value)) return value.map((item) => comparable(item, drop));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([name]) => !drop.includes(name));
  return Object.fromEntries(entries.map(([name, field]) => [name, comparable(field, drop)]));
}

/** The same for lines: 'json:{...}' with its keys in order. */
export function comparableLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/json:(\{.*\})/, (_, json) => `json:${JSON.stringify(sorted(JSON.parse(json)))}`)
        .replaceAll(GENERATED, '#block'),
    );
}
