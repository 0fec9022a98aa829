// Bytes to values, however they are cut: what a monitor reads.

import { JsonLexer, type Token } from './lexer.js';
import { JsonError, type JsonValue, parseTokens, unexpectedText } from './parser.js';

/** One value of the input, or why there was none; reading goes on after either. */
export type JsonInput = { readonly value: JsonValue } | { readonly error: JsonError };

export interface JsonLimits {
  /** Bytes of all tokens of one value. Default 64 MiB. */
  readonly bytes: number;
  /** Tokens of one value. Default 2 Mi. */
  readonly tokens: number;
  /** Open braces and brackets. Default 1024. */
  readonly nesting: number;
}

/** QEMU's. (json-streamer.c) */
export const JSON_LIMITS: JsonLimits = { bytes: 64 << 20, tokens: 2 << 20, nesting: 1024 };

export class JsonReader {
  readonly #emit: (input: JsonInput) => void;
  readonly #limits: JsonLimits;
  readonly #lexer: JsonLexer;
  #tokens: Token[] = [];
  #bytes = 0;
  #braces = 0;
  #brackets = 0;

  constructor(emit: (input: JsonInput) => void, limits: JsonLimits = JSON_LIMITS) {
    this.#emit = emit;
    this.#limits = limits;
    this.#lexer = new JsonLexer((token) => this.#token(token), limits.bytes);
  }

  push(chunk: Buffer): void {
    this.#lexer.push(chunk);
  }

  /** The input has ended; half a value is an error. */
  end(): void {
    this.#lexer.end();
    if (this.#tokens.length > 0) this.#value();
  }

  #token(token: Token): void {
    if (token.kind === 'error') {
      this.#fail(unexpectedText(token));
      return;
    }
    if (token.kind === 'structural') this.#count(token.bytes.toString());
    // What is kept must not keep the whole chunk that it came in.
    this.#tokens.push({ kind: token.kind, bytes: Buffer.from(token.bytes) });
    this.#bytes += token.bytes.length;
    const { bytes, tokens, nesting } = this.#limits;
    if (this.#bytes > bytes) this.#fail(new JsonError(`a value has more than ${bytes} bytes`));
    else if (this.#tokens.length > tokens) {
      this.#fail(new JsonError(`a value has more than ${tokens} tokens`));
    } else if (this.#braces + this.#brackets > nesting) {
      this.#fail(new JsonError(`a value is nested deeper than ${nesting}`));
    } else if (!this.#isOpen) this.#value();
  }

  get #isOpen(): boolean {
    const [braces, brackets] = [this.#braces, this.#brackets];
    return (braces > 0 || brackets > 0) && braces >= 0 && brackets >= 0;
  }

  #count(text: string): void {
    if (text === '{') this.#braces += 1;
    else if (text === '}') this.#braces -= 1;
    else if (text === '[') this.#brackets += 1;
    else if (text === ']') this.#brackets -= 1;
  }

  #value(): void {
    const tokens = this.#reset();
    let input: JsonInput;
    try {
      input = { value: parseTokens(tokens) };
    } catch (error) {
      if (!(error instanceof JsonError)) throw error;
      input = { error };
    }
    this.#emit(input);
  }

  #fail(error: JsonError): void {
    this.#reset();
    this.#emit({ error });
  }

  #reset(): readonly Token[] {
    const tokens = this.#tokens;
    this.#tokens = [];
    this.#bytes = 0;
    this.#braces = 0;
    this.#brackets = 0;
    return tokens;
  }
}
