// Options of commands by POSIX's getopt() as the GNU C library has it: options may stand behind
// operands, '--' ends them, letters can share a dash. With names beside the letters it is
// getopt_long().

export interface FoundOption {
  /** '?': it is wrong, and has been complained about. */
  readonly letter: string;
  /** '' for an option without one. */
  readonly argument: string;
}

export interface LongOption {
  /** '--name'; its beginning is enough where no other begins so. */
  readonly name: string;
  readonly hasArgument: boolean;
  readonly letter: string;
}

/** Where complaints go, a line at a time. */
export type Complain = (line: string) => void;

/** Exact names win over beginnings. */
function findLong(known: readonly LongOption[], name: string): readonly LongOption[] {
  const exact = known.find((option) => option.name === name);
  return exact === undefined ? known.filter((option) => option.name.startsWith(name)) : [exact];
}

const WRONG: FoundOption = { letter: '?', argument: '' };

/** Options are read one at a time, as whoever stops at one must not hear of those behind it. */
export class Getopt {
  readonly #argv: readonly string[];
  readonly #spec: string;
  readonly #complain: Complain;
  readonly #long: readonly LongOption[];
  readonly #options: string[] = [];
  readonly #operands: string[] = [];

  /**
   * @param argv the command's name and its words.
   * @param spec the letters that are known, a colon behind those that take an argument.
   */
  constructor(
    argv: readonly string[],
    spec: string,
    complain: Complain,
    long: readonly LongOption[] = [],
  ) {
    this.#long = long;
    this.#argv = argv;
    this.#spec = spec;
    this.#complain = complain;
  }

  /** What is no option, in order; complete when all options were read. */
  get operands(): readonly string[] {
    return this.#operands;
  }

  /** All words with the operands moved behind the options, as getopt() leaves argv. */
  get permuted(): readonly string[] {
    return [this.#argv[0] ?? '', ...this.#options, ...this.#operands];
  }

  *read(): Generator<FoundOption> {
    const words = this.#argv.slice(1);
    for (let word = words.shift(); word !== undefined; word = words.shift()) {
      if (word === '--') {
        this.#options.push(word);
        this.#operands.push(...words.splice(0));
      } else if (word.startsWith('--') && this.#long.length > 0) {
        this.#options.push(word);
        yield this.#readLong(word, words);
      } else if (word.startsWith('-') && word !== '-') {
        this.#options.push(word);
        yield* this.#readWord(word, words);
      } else {
        this.#operands.push(word);
      }
    }
  }

  #readLong(word: string, words: string[]): FoundOption {
    const [name = '', ...values] = word.slice(2).split('=');
    const given = values.length > 0 ? values.join('=') : undefined;
    const found = findLong(this.#long, name);
    const [option] = found;
    if (option === undefined) return this.#wrong(`unrecognized option '${word}'`);
    if (found.length > 1) {
      const names = found.map((possible) => ` '--${possible.name}'`).join('');
      return this.#wrong(`option '${word}' is ambiguous; possibilities:${names}`);
    }
    const { letter, hasArgument } = option;
    if (!hasArgument) {
      if (given === undefined) return { letter, argument: '' };
      return this.#wrong(`option '--${option.name}' doesn't allow an argument`);
    }
    if (given !== undefined) return { letter, argument: given };
    return this.#nextWord(letter, words, `option '--${option.name}' requires an argument`);
  }

  *#readWord(word: string, words: string[]): Generator<FoundOption> {
    for (let at = 1; at < word.length; at += 1) {
      const letter = word.charAt(at);
      if (!this.#isKnown(letter)) {
        yield this.#wrong(`invalid option -- '${letter}'`);
      } else if (this.#takesArgument(letter)) {
        yield this.#withArgument(letter, word.slice(at + 1), words);
        return;
      } else {
        yield { letter, argument: '' };
      }
    }
  }

  #withArgument(letter: string, glued: string, words: string[]): FoundOption {
    if (glued !== '') return { letter, argument: glued };
    return this.#nextWord(letter, words, `option requires an argument -- '${letter}'`);
  }

  #nextWord(letter: string, words: string[], complaint: string): FoundOption {
    const argument = words.shift();
    if (argument === undefined) return this.#wrong(complaint);
    this.#options.push(argument);
    return { letter, argument };
  }

  #wrong(text: string): FoundOption {
    this.#complain(`${this.#argv[0]}: ${text}`);
    return WRONG;
  }

  #isKnown(letter: string): boolean {
    return letter !== ':' && letter !== ';' && this.#spec.includes(letter);
  }

  #takesArgument(letter: string): boolean {
    return this.#spec[this.#spec.indexOf(letter) + 1] === ':';
  }
}
