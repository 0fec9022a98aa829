// As much of Graphviz's language as we write: a digraph of attributes, nodes and arrows. It refuses
// everything else, so that what it accepts is certain to be well-formed.

export interface DotAttributes {
  readonly [name: string]: string;
}

export interface DotGraph {
  readonly name: string;
  readonly attributes: DotAttributes;
  readonly nodes: ReadonlyMap<string, DotAttributes>;
  readonly arrows: readonly { from: string; to: string; attributes: DotAttributes }[];
}

/** A quoted string may contain anything but a bare quote; '\' and what follows belong together. */
const TOKEN = /\s*(?:(->|[{}[\],;=])|([A-Za-z_][A-Za-z0-9_]*|-?[0-9.]+)|"((?:[^"\\]|\\[\s\S])*)")/y;

interface Token {
  readonly kind: 'sign' | 'word' | 'string';
  readonly text: string;
}

function tokens(source: string): Token[] {
  const found: Token[] = [];
  const text = source.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`no dot at ${at}: ${text.slice(at, at + 40)}`);
    const [, sign, word, quoted] = match;
    if (sign !== undefined) found.push({ kind: 'sign', text: sign });
    else if (word !== undefined) found.push({ kind: 'word', text: word });
    else found.push({ kind: 'string', text: quoted ?? '' });
  }
  return found;
}

class Parser {
  readonly #tokens: Token[];

  constructor(source: string) {
    this.#tokens = tokens(source);
  }

  accept(sign: string): boolean {
    const [next] = this.#tokens;
    if (next?.kind !== 'sign' || next.text !== sign) return false;
    this.#tokens.shift();
    return true;
  }

  expect(sign: string): void {
    if (!this.accept(sign)) throw new Error(`expected ${sign}, not ${this.#tokens[0]?.text}`);
  }

  id(): string {
    const next = this.#tokens.shift();
    if (next === undefined || next.kind === 'sign') throw new Error(`no id: ${next?.text}`);
    return next.text;
  }

  attributes(): DotAttributes {
    const found: Record<string, string> = {};
    if (!this.accept('[')) return found;
    while (!this.accept(']')) {
      const name = this.id();
      this.expect('=');
      found[name] = this.id();
      this.accept(',');
    }
    return found;
  }

  end(): void {
    if (this.#tokens.length > 0) throw new Error('text after the end of the graph');
  }
}

export function parseDot(source: string): DotGraph {
  const parser = new Parser(source);
  if (parser.id() !== 'digraph') throw new Error('no digraph');
  const name = parser.id();
  const attributes: Record<string, string> = {};
  const nodes = new Map<string, DotAttributes>();
  const arrows: { from: string; to: string; attributes: DotAttributes }[] = [];
  parser.expect('{');
  while (!parser.accept('}')) {
    const first = parser.id();
    if (parser.accept('=')) attributes[first] = parser.id();
    else if (parser.accept('->')) {
      arrows.push({ from: first, to: parser.id(), attributes: parser.attributes() });
    } else if (first === 'node' || first === 'edge') parser.attributes();
    else nodes.set(first, parser.attributes());
    parser.expect(';');
  }
  parser.end();
  return { name, attributes, nodes, arrows };
}

/** The lines of a label, as Graphviz shows them. */
export function labelLines(label: string): string[] {
  const shown = label.replace(/\\([\s\S])|&amp;/g, (all, escaped: string | undefined) => {
    if (all === '&amp;') return '&';
    return escaped === 'n' ? '\n' : (escaped ?? '');
  });
  return shown.split('\n');
}
