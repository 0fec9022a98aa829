// What a monitor reads: values out of bytes, however these are cut, and whatever else is among them.
import { type JsonInput, type JsonLimits, JsonReader } from '../../../lib/qmp/json/reader.js';
import { writeJson } from '../../../lib/qmp/json/writer.js';
import { chooseSeed, type Random, randomNumbers } from '../../support/random.js';

function read(chunks: readonly (string | Buffer)[], limits?: JsonLimits): JsonInput[] {
  const inputs: JsonInput[] = [];
  const reader = new JsonReader((input) => inputs.push(input), limits);
  for (const chunk of chunks) reader.push(Buffer.from(chunk as string));
  reader.end();
  return inputs;
}

const shown = (inputs: readonly JsonInput[]): unknown[] =>
  inputs.map((input) => ('error' in input ? 'error' : input.value));

describe('values', () => {
  test.each([
    ['{}', {}],
    ['[]', []],
    [' { "a" : [ 1 , -2.5e3 , true , false , null ] } ', { a: [1, -2500, true, false, null] }],
    [`{'a': 'it"s'}`, { a: 'it"s' }],
    ['"\\u00e9\\n\\/\\\'"', "é\n/'"],
    ['"\\ud83d\\ude00"', '😀'],
    ['"é😀"', 'é😀'],
    ['{"__proto__": 1}', Object.fromEntries([['__proto__', 1]])],
    ['-0', -0],
    ['123 ', 123],
  ])('%s', (text, value) => {
    expect(read([text])).toEqual([{ value }]);
  });

  test('several follow each other with nothing between', () => {
    expect(shown(read(['{"a":1}{"b":2}[3]"x"{"c":4}']))).toEqual([
      { a: 1 },
      { b: 2 },
      [3],
      'x',
      { c: 4 },
    ]);
  });

  test('a byte at a time is as good as all at once', () => {
    const text = `{"a":'é',"b":[1.5,{"c":"\\u0041"}]} {"d":true}\n`;
    const bytes = [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
    expect(shown(read(bytes))).toEqual([{ a: 'é', b: [1.5, { c: 'A' }] }, { d: true }]);
  });
});

describe('what is wrong is told once, and reading goes on', () => {
  test.each([
    ['{"a" 1}'],
    ['{"a":1,}'],
    ['[1,]'],
    ['[,]'],
    ['{1:2}'],
    ['{"a":1,"a":2}'],
    ['[nonsense]'],
    ['[True_]'],
    ['[01]'],
    ['[1.]'],
    ['["\\ud800"]'],
    ['["\\u00g0"]'],
    ['[}'],
    ['}'],
  ])('%s', (text) => {
    const inputs = shown(read([`${text} {"ok":1}`]));
    expect(inputs[0]).toBe('error');
    expect(inputs.at(-1)).toEqual({ ok: 1 });
  });

  test('bytes that are no UTF-8 are refused', () => {
    const bytes = Buffer.concat([
      Buffer.from('["'),
      Buffer.from([0xc3, 0x28]),
      Buffer.from('"] 7'),
    ]);
    expect(shown(read([bytes]))).toEqual(['error', 7]);
  });

  test('a byte 0xff in the middle of a value makes a fresh start', () => {
    const bytes = Buffer.concat([
      Buffer.from('{"a": [1, '),
      Buffer.from([0xff]),
      Buffer.from('{"b":2}'),
    ]);
    expect(shown(read([bytes]))).toEqual(['error', { b: 2 }]);
  });

  test('a control character ends a string that was never closed', () => {
    expect(shown(read(['{"execute": "quer\n{"b":2}']))).toEqual(['error', { b: 2 }]);
  });

  test('half a value at the end is an error', () => {
    expect(shown(read(['{"a":']))).toEqual(['error']);
  });
});

describe('limits', () => {
  const limits = { bytes: 100, tokens: 20, nesting: 5 };

  test('a string that is too long is refused before it ends', () => {
    const inputs: JsonInput[] = [];
    const reader = new JsonReader((input) => inputs.push(input), limits);
    reader.push(Buffer.from(`"${'x'.repeat(150)}`));
    expect(shown(inputs)).toEqual(['error']);
  });

  test('so are too many tokens, and too deep a nesting', () => {
    expect(shown(read(['[1,1,1,1,1,1,1,1,1,1,1'], limits))[0]).toBe('error');
    expect(shown(read(['[[[[[['], limits))[0]).toBe('error');
    expect(shown(read(['[[[[[]]]]]'], limits))).toEqual([[[[[[]]]]]]);
  });

  test('the deepest that is allowed by default does not exhaust the stack', () => {
    const text = `${'['.repeat(1024)}${']'.repeat(1024)}`;
    expect(read([text])).toHaveLength(1);
    expect(shown(read([text]))[0]).not.toBe('error');
  });
});

function randomValue(random: Random, depth = 0): unknown {
  switch (random(depth > 4 ? 5 : 7)) {
    case 0:
      return null;
    case 1:
      return random(2) === 0;
    case 2:
      return random(1_000_000) - 500_000;
    case 3:
      return (random(1_000_000) - 500_000) / 64;
    case 4:
      return Array.from({ length: random(8) }, () => String.fromCodePoint(1 + random(0xd7fe))).join(
        '',
      );
    case 5:
      return Array.from({ length: random(4) }, () => randomValue(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random(4) }, (_, index) => [
          `k${index}`,
          randomValue(random, depth + 1),
        ]),
      );
  }
}

test('what is written is read again, by this reader and by JSON.parse', () => {
  const seed = chooseSeed();
  console.log(`seed ${seed}`);
  const random = randomNumbers(seed);
  for (let round = 0; round < 500; round += 1) {
    const value = randomValue(random);
    const text = random(2) === 0 ? writeJson(value) : writeJson(value, '');
    expect(text).toMatch(/^[\n\x20-\x7e]*$/);
    expect(JSON.parse(text)).toEqual(value);
    const cut = random(text.length + 1);
    expect(read([text.slice(0, cut), text.slice(cut)])).toEqual([{ value }]);
  }
});

test('QEMU writes a blank after each colon and comma, and 4 more in front of each level', () => {
  expect(writeJson({ a: 1, b: ['x', {}], c: undefined })).toBe('{"a": 1, "b": ["x", {}]}');
  expect(writeJson({ a: 1, b: ['é'] }, '')).toBe(
    '{\n    "a": 1,\n    "b": [\n        "\\u00E9"\n    ]\n}',
  );
});
