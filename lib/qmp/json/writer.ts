// Values as QMP writes them: a blank after each colon and comma, and nothing but ASCII.

const NOT_ASCII = /[\u007f-\uffff]/g;

function escaped(text: string): string {
  return JSON.stringify(text).replace(
    NOT_ASCII,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
  );
}

function joined(open: string, parts: readonly string[], close: string, indent?: string): string {
  if (indent === undefined || parts.length === 0) return `${open}${parts.join(', ')}${close}`;
  const inner = `${indent}    `;
  return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
}

/**
 * One line, or with `indent` many, each level 4 blanks deeper than `indent`. Members that are
 * undefined are left out.
 */
export function writeJson(value: unknown, indent?: string): string {
  if (typeof value === 'string') return escaped(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const inner = indent === undefined ? undefined : `${indent}    `;
  if (Array.isArray(value)) {
    return joined(
      '[',
      value.map((element) => writeJson(element, inner)),
      ']',
      indent,
    );
  }
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => `${escaped(name)}: ${writeJson(member, inner)}`);
  return joined('{', members, '}', indent);
}
