// Tokens of one value to that value.

import type { Token } from './lexer.js';

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** The text is no JSON; the message says where. */
export class JsonError extends Error {}
JsonError.prototype.name = 'JsonError';

const ESCAPED: { readonly [letter: string]: string } = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LONE_SURROGATE = /\p{Cs}/u;

/** Shown in messages: not more than fits on a line. */
function shown(token: Token): string {
  const text = token.bytes.subarray(0, 40).toString();
  return token.bytes.length > 40 ? `${text}...` : text;
}

/** @throws JsonError for bytes that are no UTF-8, or escapes that are no characters. */
function stringOf(token: Token): string {
  let text: string;
  try {
    text = utf8.decode(token.bytes.subarray(1, -1));
  } catch {
    throw new JsonError(`the string ${shown(token)} is not in UTF-8`);
  }
  const value = text.replace(/\\(u[\s\S]{0,4}|[\s\S])/g, (written, what: string) => {
    if (what[0] !== 'u') return ESCAPED[what] ?? what;
    if (/^u[0-9a-fA-F]{4}$/.test(what))
      return String.fromCharCode(Number.parseInt(what.slice(1), 16));
    throw new JsonError(`the escape ${written} is not \\u and four hexadecimal digits`);
  });
  if (!LONE_SURROGATE.test(value)) return value;
  throw new JsonError(`the string ${shown(token)} has half of a surrogate pair`);
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  value(): JsonValue {
    const token = this.#take('a value');
    if (token.kind === 'string') return stringOf(token);
    if (token.kind === 'number') return Number(token.bytes.toString());
    if (token.kind === 'keyword') return keywordOf(token);
    const text = token.bytes.toString();
    if (text === '{') return this.#object();
    if (text === '[') return this.#array();
    throw new JsonError(`a value was expected before '${shown(token)}'`);
  }

  #object(): JsonValue {
    const members = new Map<string, JsonValue>();
    if (this.#skip('}')) return {};
    do {
      const name = this.#take('the name of a member');
      if (name.kind !== 'string') {
        throw new JsonError(`the name of a member must be a string, not '${shown(name)}'`);
      }
      const key = stringOf(name);
      if (members.has(key)) throw new JsonError(`the member '${key}' is there twice`);
      this.#expect(':', `after '${key}'`);
      members.set(key, this.value());
    } while (this.#skip(','));
    this.#expect('}', 'or , after a member');
    return Object.fromEntries(members);
  }

  #array(): JsonValue {
    const elements: JsonValue[] = [];
    if (this.#skip(']')) return elements;
    do elements.push(this.value());
    while (this.#skip(','));
    this.#expect(']', 'or , after an element');
    return elements;
  }

  #take(wanted: string): Token {
    const token = this.#tokens[this.#next];
    if (token === undefined) throw new JsonError(`${wanted} was expected at the end`);
    this.#next += 1;
    return token;
  }

  #isNext(text: string): boolean {
    const token = this.#tokens[this.#next];
    return token?.kind === 'structural' && token.bytes.toString() === text;
  }

  #skip(text: string): boolean {
    const isNext = this.#isNext(text);
    if (isNext) this.#next += 1;
    return isNext;
  }

  #expect(text: string, where: string): void {
    if (!this.#skip(text)) throw new JsonError(`${text} was expected ${where}`);
  }
}

function keywordOf(token: Token): JsonValue {
  switch (token.bytes.toString()) {
    case 'true':
      return true;
    case 'false':
      return false;
    case 'null':
      return null;
    default:
      throw new JsonError(`'${shown(token)}' is not a value`);
  }
}

/**
 * The tokens must end where their value does, as those of the reader do: it holds none back once all
 * braces and brackets are closed. Nesting is as deep as the caller lets it be.
 *
 * @throws JsonError unless they are a value.
 */
export function parseTokens(tokens: readonly Token[]): JsonValue {
  return new Parser(tokens).value();
}

export function unexpectedText(token: Token): JsonError {
  return new JsonError(`'${shown(token)}' is out of place`);
}
