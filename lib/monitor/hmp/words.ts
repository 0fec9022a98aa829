// The words of a line of the human monitor (QEMU: get_str).

const ESCAPED: { readonly [letter: string]: string } = {
  n: '\n',
  r: '\r',
  '\\': '\\',
  "'": "'",
  '"': '"',
};

/** A line whose words cannot be told; the message says why. */
export class WordsError extends Error {}
WordsError.prototype.name = 'WordsError';

/** Words between blanks, or in double quotes with escapes like those of C. @throws WordsError */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  const pattern = /\s*(?:"((?:[^"\\]|\\[\s\S])*)(")?|([^\s"]\S*))/gy;
  for (let match = pattern.exec(line); match !== null; match = pattern.exec(line)) {
    const [, quoted, end, plain] = match;
    if (plain !== undefined) words.push(plain);
    else if (end === undefined) throw new WordsError('unterminated string');
    else words.push(unescaped(quoted ?? ''));
  }
  return words;
}

function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (_, letter: string) => {
    const character = ESCAPED[letter];
    if (character === undefined) throw new WordsError(`unsupported escape code: '\\${letter}'`);
    return character;
  });
}
