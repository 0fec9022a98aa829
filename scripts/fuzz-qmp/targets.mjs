// What is fuzzed, and what must hold of it.
import { Duplex, PassThrough } from 'node:stream';
import { randomNumbers } from '../differential/script.mjs';
import { TEXT_TARGETS } from './texts.mjs';

const { QmpServer } = await import('../../dist/index.mjs');
const { JsonReader } = await import('../../dist/qmp/json/reader.js');
const { OptionsError } = await import('../../dist/options/comma-list.js');
const { parseKeyval } = await import('../../dist/options/keyval.js');
const { parseQemuOpts } = await import('../../dist/options/qemu-opts.js');
const { parseOptionText } = await import('../../dist/qmp/option-text.js');
const { QmpError } = await import('../../dist/qmp/errors.js');
const { blockdevOptions } = await import('../../dist/qmp/schema/blockdev.js');
const { builtinCommands } = await import('../../dist/qmp/commands/index.js');

/** Small, so that inputs reach them. */
const LIMITS = { bytes: 4096, tokens: 256, nesting: 16 };

/** Parts of requests, right and wrong. */
const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ',',
  '"',
  "'",
  '\\',
  '\\u',
  '\\ud800',
  '\\u0041',
  '\n',
  ' ',
  '\0',
  'é',
  '0',
  '-',
  '1.5e3',
  '01',
  'true',
  'null',
  'nul',
  '"execute"',
  '"arguments"',
  '"id"',
  '"a"',
  '{}',
  '"node-name":"n"',
  '"driver":"null-co"',
  '{"execute":"query-version"}',
  ...builtinCommands.map(({ name }) => `{"execute":"${name}","arguments":{"device":"d","id":"x"}}`),
]; // prettier-ignore

/** Characters of options. */
const OPTION_PIECES = [
  'driver',
  'file',
  'null-co',
  'node-name',
  'size',
  'cache',
  'direct',
  'on',
  'off',
  '=',
  '=',
  ',',
  ',,',
  '.',
  '.',
  '0',
  '1',
  '2',
  'a',
  '-',
  ' ',
  '\0',
  'é',
  '__proto__',
  'constructor',
  '64k',
  '0x10',
]; // prettier-ignore

function joined(random, pieces, most) {
  return Array.from({ length: random(most) }, () => pieces[random(pieces.length)]).join('');
}

/** A text of pieces, with some bytes changed. */
function randomBytes(random) {
  const bytes = Buffer.from(joined(random, PIECES, 12));
  for (let changes = random(4); changes > 0 && bytes.length > 0; changes -= 1) {
    bytes[random(bytes.length)] = random(256);
  }
  return bytes;
}

/** Values come out, or errors; afterwards a fresh one is read. */
function jsonTarget() {
  return {
    check(seed) {
      const random = randomNumbers(seed);
      const bytes = randomBytes(random);
      const inputs = [];
      const reader = new JsonReader((input) => inputs.push(input), LIMITS);
      const cut = random(bytes.length + 1);
      reader.push(bytes.subarray(0, cut));
      reader.push(bytes.subarray(cut));
      reader.push(Buffer.from([0xff]));
      inputs.length = 0;
      reader.push(Buffer.from('{"fresh":1}'));
      const [only] = inputs;
      return inputs.length === 1 && only.value?.fresh === 1
        ? undefined
        : `${JSON.stringify(bytes.toString('latin1'))} leaves the reader with something`;
    },
    async end() {},
  };
}

/** Inputs of one client before another one takes its place. */
const PER_CLIENT = 100;

/** A monitor answers what comes after them. */
class MonitorTarget {
  #server = new QmpServer({ onQuit: () => {} });
  #client;
  #count = 0;

  async check(seed) {
    const bytes = randomBytes(randomNumbers(seed));
    this.#client ??= await this.#connect();
    this.#client.write(bytes);
    this.#count += 1;
    return this.#count % PER_CLIENT === 0 ? this.#finish() : undefined;
  }

  async end() {
    await this.#finish();
    await this.#server.close();
  }

  async #connect() {
    const [to, from] = [new PassThrough(), new PassThrough()];
    this.#server.attach(Duplex.from({ readable: to, writable: from }));
    let text = '';
    from.setEncoding('utf8');
    from.on('data', (part) => {
      text += part;
    });
    to.write('{"execute":"qmp_capabilities"}');
    return { write: (bytes) => to.write(bytes), text: () => text, end: () => to.end(), from };
  }

  /** The client asks once more, and goes. */
  async #finish() {
    const client = this.#client;
    if (client === undefined) return undefined;
    this.#client = undefined;
    const closed = new Promise((resolve) => {
      client.from.on('close', resolve);
    });
    client.write(Buffer.from([0xff]));
    client.write('{"execute":"query-version","id":"last"}');
    client.end();
    await closed;
    const lines = client.text().trimEnd().split('\r\n');
    for (const line of lines) JSON.parse(line);
    return lines.some((line) => line.includes('"id": "last"'))
      ? undefined
      : `the last ${PER_CLIENT} inputs leave a client without an answer`;
  }
}

/** Options come out of the parser, or one of its errors. */
function optionsTarget() {
  const tries = [
    (text) => parseKeyval(text),
    (text) => parseKeyval(text, 'driver'),
    (text) => parseQemuOpts(text, { implied: 'file' }),
    (text) => parseOptionText(text, blockdevOptions, 'driver'),
    (text) => parseOptionText(`{${text}`, blockdevOptions),
  ];
  return {
    check(seed) {
      const random = randomNumbers(seed);
      const text = joined(random, OPTION_PIECES, 16);
      try {
        tries[random(tries.length)](text);
      } catch (error) {
        if (error instanceof OptionsError || error instanceof QmpError) return undefined;
        return `${JSON.stringify(text)}: ${String(error)}`;
      }
      return undefined;
    },
    async end() {},
  };
}

export const TARGETS = {
  json: jsonTarget,
  monitor: () => new MonitorTarget(),
  options: optionsTarget,
  ...TEXT_TARGETS,
};
