// As much of XML as we write: elements, attributes, text and the five entities. It refuses
// everything else, so that what it accepts is certain to be well-formed.

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly XmlElement[];
  /** Without that of its children. */
  readonly text: string;
}

interface Open {
  name: string;
  attributes: Record<string, string>;
  children: XmlElement[];
  text: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&apos;': "'",
};
const TAG = /<(\/?)([A-Za-z]+)((?:\s+[A-Za-z-]+="[^"<]*")*)\s*(\/?)>/y;
const ATTRIBUTE = /([A-Za-z-]+)="([^"]*)"/g;
/** XML knows no other control characters, no halves of characters, and two code points less. */
const FORBIDDEN = /[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

function decoded(text: string): string {
  if (FORBIDDEN.test(text)) throw new Error(`a character that XML has not: ${text}`);
  if (/[<>]/.test(text)) throw new Error(`a bare < or >: ${text}`);
  return text.replace(/&[^;&]*;?/g, (entity) => {
    const character = ENTITIES[entity];
    if (character === undefined) throw new Error(`no entity: ${entity}`);
    return character;
  });
}

function attributesOf(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(ATTRIBUTE)) {
    if (Object.hasOwn(found, name)) throw new Error(`${name} is given twice`);
    found[name] = decoded(value);
  }
  return found;
}

export function parseXml(source: string): XmlElement {
  const text = source.trim();
  const outer: Open = { name: '', attributes: {}, children: [], text: '' };
  const open = [outer];
  for (let at = 0; at < text.length; ) {
    const parent = open.at(-1) as Open;
    const next = text.indexOf('<', at);
    if (next !== at) {
      parent.text += decoded(text.slice(at, next < 0 ? undefined : next));
      at = next < 0 ? text.length : next;
      continue;
    }
    TAG.lastIndex = at;
    const tag = TAG.exec(text);
    if (tag === null) throw new Error(`no tag: ${text.slice(at, at + 60)}`);
    at = TAG.lastIndex;
    const [, ends, name = '', attributes = '', isEmpty] = tag;
    if (ends !== '') {
      if (parent.name !== name) throw new Error(`</${name}> ends <${parent.name}>`);
      open.pop();
      continue;
    }
    const element: Open = { name, attributes: attributesOf(attributes), children: [], text: '' };
    parent.children.push(element);
    if (isEmpty === '') open.push(element);
  }
  const [root, ...more] = outer.children;
  if (open.length !== 1 || root === undefined || more.length > 0 || outer.text !== '') {
    throw new Error('not exactly one element');
  }
  return root;
}
