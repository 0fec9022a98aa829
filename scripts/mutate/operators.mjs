// One-line changes that a good test notices. Each operator takes the code of a line, with strings and
// comments blanked out to the same length, and gives [from, to, text] replacements.

function replacements(code, pattern, textOf) {
  return [...code.matchAll(pattern)].flatMap((match) => {
    const text = textOf(match[0], match);
    return text === undefined ? [] : [[match.index, match.index + match[0].length, text]];
  });
}

const swaps = (pattern, table) => (code) => replacements(code, pattern, (found) => table[found]);

const RELATIONS = { ' < ': ' <= ', ' <= ': ' < ', ' > ': ' >= ', ' >= ': ' > ' };
const EQUALITIES = { '===': '!==', '!==': '===', ' == ': ' != ', ' != ': ' == ' };
const LOGIC = { ' && ': ' || ', ' || ': ' && ' };
const ARITHMETIC = { ' + ': ' - ', ' - ': ' + ', ' * ': ' / ', ' += ': ' -= ', ' -= ': ' += ' };
const STEPS = { '++': '--', '--': '++' };
const TRUTH = { true: 'false', false: 'true' };

/** The index behind the bracket that closes the one at `open`; undefined: it is on another line. */
function closing(code, open) {
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    if (code[at] === '(') depth += 1;
    if (code[at] === ')') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return undefined;
}

function negate(code) {
  return replacements(code, /\b(?:if|while) \(/g, (found) => found).flatMap(([, open]) => {
    const end = closing(code, open - 1);
    // A declaration inside cannot be negated.
    if (end === undefined || code.slice(open, end).includes(';')) return [];
    return [
      [open, open, '!('],
      [end - 1, end - 1, ')'],
    ];
  });
}

const STATEMENT =
  /^\s*(?:await |co_await |void )?[\w.#[\]>:-]+(?:\(.*\)| (?:[-+|&]?=) .*|\+\+|--);$/;
const NO_STATEMENT = /^\s*(?:return|throw|const|let|auto|using|co_return|case|delete|new)\b/;

function drop(code) {
  if (!STATEMENT.test(code) || NO_STATEMENT.test(code)) return [];
  const first = code.search(/\S/);
  return [[first, code.length, ';']];
}

const constant = (code) =>
  replacements(code, /(?<![\w.#])\d+(?![\w.]|n\b)/g, (found) => String(Number(found) + 1));

const errno = (code) =>
  replacements(code, /(?<=-|Errno\.)E[A-Z]{3,}\b/g, (found) =>
    found === 'EINVAL' ? 'EIO' : 'EINVAL',
  );

/** Name -> code -> mutations, each a list of replacements of which the line gets one, or all of one. */
export const operators = {
  relation: swaps(/ [<>]=? /g, RELATIONS),
  equality: swaps(/[!=]==| [!=]= /g, EQUALITIES),
  logic: swaps(/ (?:&&|\|\|) /g, LOGIC),
  arithmetic: swaps(/ [-+*] | [-+]= /g, ARITHMETIC),
  step: swaps(/\+\+|--/g, STEPS),
  truth: swaps(/\b(?:true|false)\b/g, TRUTH),
  constant,
  errno,
  drop,
};

/** Every mutation of a line: [operator, changed line]. */
export function mutationsOf(line, code) {
  const apply = (changes) =>
    [...changes].reverse().reduce((text, [from, to, put]) => {
      return text.slice(0, from) + put + text.slice(to);
    }, line);
  const single = Object.entries(operators).flatMap(([name, operator]) =>
    operator(code).map((change) => [name, apply([change])]),
  );
  const pairs = negate(code);
  const negated = pairs.flatMap((_, index) =>
    index % 2 === 0 ? [['negate', apply(pairs.slice(index, index + 2))]] : [],
  );
  return [...single, ...negated];
}
