// Bytes to tokens, as QMP's reader takes them: JSON, and also strings in single quotes. It holds a
// token over any chunking, and after an error goes on at the next byte that can begin something.

export type TokenKind = 'structural' | 'string' | 'number' | 'keyword' | 'error';

/** A whole token; of an error, what was wrong with it. */
export interface Token {
  readonly kind: TokenKind;
  /** As it stood in the input; strings with their quotes, in UTF-8. */
  readonly bytes: Buffer;
}

const byteOf = (character: string): number => character.charCodeAt(0);
const codes = (characters: string): ReadonlySet<number> =>
  new Set(Buffer.from(characters, 'latin1'));

const STRUCTURAL = codes('{}[]:,');
const BLANKS = codes(' \t\r\n');
const QUOTES = codes('"\'');
const DIGITS = codes('0123456789');
const LETTERS = codes('abcdefghijklmnopqrstuvwxyz');
const NUMBER = codes('0123456789+-.eE');
const ESCAPES = codes('"\'\\/bfnrtu');
const BACKSLASH = byteOf('\\');
const MINUS = byteOf('-');
const FIRST_PRINTABLE = 0x20;
/** From here on no byte can be part of UTF-8; clients send 0xff to be sure of a fresh start. */
const FIRST_NEVER = 0xfe;

const NUMBER_FORM = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$/;

/** What the bytes read so far are the beginning of. */
type State = 'start' | 'string' | 'escape' | 'number' | 'keyword' | 'recovery';

export class JsonLexer {
  readonly #emit: (token: Token) => void;
  readonly #limit: number;
  #state: State = 'start';
  #quote = 0;
  /** Parts of a token that came in earlier chunks. */
  #parts: Buffer[] = [];
  #held = 0;

  /** @param limit bytes of one token; a longer one is an error. */
  constructor(emit: (token: Token) => void, limit: number) {
    this.#emit = emit;
    this.#limit = limit;
  }

  push(chunk: Buffer): void {
    /** Where the token that goes on began in this chunk. */
    let from = 0;
    let at = 0;
    while (at < chunk.length) {
      const byte = chunk[at] as number;
      if (this.#state === 'start') {
        from = at;
        this.#begin(byte, chunk, at);
        at += 1;
      } else if (this.#takes(byte)) {
        at += 1;
        if (this.#isWhole(byte)) {
          this.#end(chunk.subarray(from, at));
        } else if (this.#state !== 'recovery' && this.#held + at - from > this.#limit) {
          this.#fail(chunk.subarray(from, at));
        }
      } else if (this.#state === 'recovery') {
        this.#state = 'start';
      } else if (this.#state === 'number' || this.#state === 'keyword') {
        // The byte is looked at again: it begins the next token.
        this.#end(chunk.subarray(from, at));
      } else {
        at += 1;
        this.#fail(chunk.subarray(from, at));
      }
    }
    if (this.#state !== 'start' && this.#state !== 'recovery') this.#hold(chunk.subarray(from));
  }

  /** The input has ended: a token that was not whole is one that is wrong, or a number. */
  end(): void {
    if (this.#state === 'start' || this.#state === 'recovery') return;
    if (this.#state === 'number' || this.#state === 'keyword') this.#end(Buffer.alloc(0));
    else this.#fail(Buffer.alloc(0));
    this.#state = 'start';
  }

  #begin(byte: number, chunk: Buffer, at: number): void {
    if (BLANKS.has(byte)) return;
    if (STRUCTURAL.has(byte)) {
      this.#emit({ kind: 'structural', bytes: chunk.subarray(at, at + 1) });
    } else if (QUOTES.has(byte)) {
      this.#state = 'string';
      this.#quote = byte;
    } else if (DIGITS.has(byte) || byte === MINUS) {
      this.#state = 'number';
    } else if (LETTERS.has(byte)) {
      this.#state = 'keyword';
    } else {
      this.#fail(chunk.subarray(at, at + 1));
    }
  }

  /** The byte belongs to the token that was begun. */
  #takes(byte: number): boolean {
    switch (this.#state) {
      case 'string':
        return byte >= FIRST_PRINTABLE && byte < FIRST_NEVER;
      case 'escape':
        return ESCAPES.has(byte);
      case 'number':
        return NUMBER.has(byte);
      case 'keyword':
        return LETTERS.has(byte) || DIGITS.has(byte);
      case 'start':
      case 'recovery':
        return (
          byte >= FIRST_PRINTABLE &&
          byte < FIRST_NEVER &&
          !STRUCTURAL.has(byte) &&
          !QUOTES.has(byte)
        );
    }
  }

  /** Follows strings; only they tell by a byte of their own that they are whole. */
  #isWhole(byte: number): boolean {
    if (this.#state === 'escape') this.#state = 'string';
    else if (this.#state === 'string' && byte === BACKSLASH) this.#state = 'escape';
    else if (this.#state === 'string' && byte === this.#quote) return true;
    return false;
  }

  #hold(part: Buffer): void {
    this.#parts.push(Buffer.from(part));
    this.#held += part.length;
  }

  #take(last: Buffer): Buffer {
    const bytes = this.#parts.length === 0 ? last : Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.#held = 0;
    return bytes;
  }

  #end(last: Buffer): void {
    const kind = this.#state === 'escape' ? 'string' : (this.#state as TokenKind);
    const bytes = this.#take(last);
    this.#state = 'start';
    if (kind === 'number' && !NUMBER_FORM.test(bytes.toString('latin1'))) {
      this.#emit({ kind: 'error', bytes });
    } else {
      this.#emit({ kind, bytes });
    }
  }

  #fail(last: Buffer): void {
    const bytes = this.#take(last);
    this.#state = 'recovery';
    this.#emit({ kind: 'error', bytes });
  }
}
