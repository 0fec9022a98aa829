// Everything else that reads what others wrote: names of images, rules, logs, keys, sizes, lines of
// the human monitor, and requests of a guest's virtio disk.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomNumbers } from '../differential/script.mjs';

const { BlockBackend, BlockError, readWriteLog } = await import('../../dist/index.mjs');
const { parseImageOptions } = await import('../../dist/graph/image-options.js');
const { backingName } = await import('../../dist/graph/filename.js');
const { readRules } = await import('../../dist/drivers/blkdebug-config.js');
const { tlsSettingsIn } = await import('../../dist/exports/tls-credentials.js');
const { sizeOf } = await import('../../dist/options/size.js');
const { parseSize, parseSeconds } = await import('../../dist/cli/shared/numbers.js');
const { parseChardev } = await import('../../dist/cli/daemon/chardev.js');
const { CliError } = await import('../../dist/cli/shared/cli-error.js');
const { OptionsError } = await import('../../dist/options/comma-list.js');
const { humanMonitorCommand } = await import('../../dist/monitor/hmp/human-monitor.js');
const { perform } = await import('../../dist/v86/virtio-blk-request.js');
const { ErrorHolder } = await import('../../dist/v86/error-holder.js');

/** A sample with pieces cut out, doubled and put in. */
function spoilt(random, samples, pieces) {
  let text = samples[random(samples.length)];
  for (let changes = random(5); changes > 0; changes -= 1) {
    const at = random(text.length + 1);
    const cut = random(2) * random(8);
    const piece =
      random(3) === 0 ? String.fromCharCode(random(256)) : pieces[random(pieces.length)];
    text = text.slice(0, at) + piece + text.slice(at + cut);
  }
  return text;
}

/** Runs `parse`; only errors of the kinds that are told to users may come out. */
async function answered(text, kinds, parse) {
  try {
    return await parse();
  } catch (error) {
    if (kinds.some((kind) => error instanceof kind)) return undefined;
    return `${JSON.stringify(text)}: ${error.stack ?? error}`;
  }
}

const plain = (kinds, samples, pieces, parse) => () => ({
  check(seed) {
    const text = spoilt(randomNumbers(seed), samples, pieces);
    return answered(text, kinds, async () => {
      await parse(text);
      return undefined;
    });
  },
  async end() {},
});

const NAMES = [
  'disk.img',
  './a:b',
  'file:disk.img',
  'host_device:/dev/sda',
  'blkdebug:rules.ini:disk.img',
  'blkdebug::blkverify:a:b',
  'blkverify:raw.img:file:test.img',
  'null-co://',
  'json:{"driver":"null-co","size":4096}',
  "json:{'driver':'raw','file':{'driver':'file','filename':'x'},'cache.direct':true}",
  'json:{"driver":"blkdebug","inject-error":[{"event":"none"}],"image":"n"}',
];
const NAME_PIECES = [
  ':',
  '/',
  '//',
  '.',
  '{',
  '}',
  '"',
  "'",
  ',',
  '[',
  ']',
  'json:',
  'file:',
  '\\',
];

/** A name alone, and options that have it. */
function readName(text) {
  if (text.startsWith('json:')) parseImageOptions(text);
  else parseImageOptions({ filename: text });
  backingName(text, 'base.img');
}

const SIZES = ['4096', '0x1000', '4k', '1.5M', '500ms', '1m', '9E', '2.5s'];
const SIZE_PIECES = [
  '0',
  '9',
  '.',
  '-',
  'e',
  'k',
  'x',
  'B',
  'i',
  ' ',
  '1e9',
  '99999999999999999999',
];

/** @throws Error when a number is none. */
function readSizes(text) {
  const size = sizeOf(text);
  if (size !== undefined && Number.isNaN(size)) throw new Error('sizeOf gives NaN');
  for (const parse of [parseSize, parseSeconds]) {
    try {
      const value = parse(text);
      if (!(value >= 0 && Number.isFinite(value))) throw new Error(`${parse.name} gives ${value}`);
    } catch (error) {
      if (error.code !== 'commander.invalidArgument') throw error;
    }
  }
}

const CHARDEVS = [
  'stdio,id=a',
  'null,id=b',
  'socket,id=c,path=/x,server=on,wait=off',
  'socket,id=d,host=localhost,port=1',
];
const CHARDEV_PIECES = [',', '=', ',,', 'id', 'port', '65536', '-1', 'on', 'path=', 'server'];

const LINES = [
  'info block',
  'info block -v x',
  'info blockstats',
  'help eject',
  'qemu-io x "read 0 1"',
];
const LINE_PIECES = [' ', '"', '\\n', '\\', '-n', 'info', 'block', 'x', '\t', "'", '\0', '-'];
/** They would open files, or stop what is going on. */
const ACTING = /^\s*"?(?:drive_add|commit|stop|cont|c\b)/;

async function readLine(text) {
  if (ACTING.test(text)) return;
  const answer = await humanMonitorCommand(text);
  if (typeof answer !== 'string') throw new Error('the answer is no text');
}

/** What is read from a file. */
const ofFile = (name, kinds, contentOf, read) => () => {
  const folder = mkdtempSync(join(tmpdir(), 'block-backend-fuzz-'));
  return {
    async check(seed) {
      const content = contentOf(randomNumbers(seed));
      writeFileSync(join(folder, name), content);
      return answered(Buffer.from(content).toString('latin1'), kinds, () => read(folder, name));
    },
    async end() {
      rmSync(folder, { recursive: true });
    },
  };
};

const RULES = [
  '[inject-error]\nevent = "read_aio"\nerrno = "5"\nonce = "on"\n',
  '# a\n[set-state]\nevent = "write_aio"\nstate = "1"\nnew_state = "2"\n',
];
const RULE_PIECES = [
  '[',
  ']',
  '=',
  '"',
  '\n',
  '#',
  'event',
  'state',
  '-1',
  '99999999999',
  'sector',
];

const KEYS = ['alice:0123456789abcdef\n', 'b:ob:00ff\r\ncarol:aa\n'];
const KEY_PIECES = [':', '\n', '0', 'g', ' ', '\r', 'ff', '__proto__:00'];

/** A log of three entries, with bytes changed. */
function logBytes(random) {
  const sector = 512;
  const log = Buffer.alloc(sector * 6);
  log.writeBigUInt64LE(0x6a736677736872n, 0);
  log.writeBigUInt64LE(1n, 8);
  log.writeBigUInt64LE(BigInt(random(4)), 16);
  log.writeUInt32LE(sector, 24);
  for (let entry = 0; entry < 3; entry += 1) {
    const at = sector * (1 + entry * 2);
    const numbers = [random(100), 1, random(16), random(600)];
    for (const [index, number] of numbers.entries()) {
      log.writeBigUInt64LE(BigInt(number), at + index * 8);
    }
  }
  for (let changes = random(6); changes > 0; changes -= 1) log[random(log.length)] = random(256);
  return log.subarray(0, random(8) === 0 ? random(log.length) : log.length);
}

/** Entries that a broken count promises end where the log does. */
async function readLog(folder, name) {
  let entries = 0;
  for await (const { offset, bytes } of readWriteLog(join(folder, name))) {
    if (!Number.isSafeInteger(offset + bytes)) return 'an entry is beyond all numbers';
    entries += 1;
    if (entries > 100) return 'there is no end of entries';
  }
  return undefined;
}

const TYPES = [0, 1, 4, 8, 11, 13, 2, 0xffffffff];
const NUMBERS = [0n, 1n, 8n, 2047n, 2048n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n];

/** What a guest may put into the queue of its disk. */
class VirtioTarget {
  #blk;
  #disk;

  async check(seed) {
    const random = randomNumbers(seed);
    this.#blk ??= await BlockBackend.open({ driver: 'null-co', size: 1 << 20 });
    this.#disk ??= {
      blk: this.#blk,
      holder: new ErrorHolder(this.#blk, true),
      serial: 'serial',
      writeThrough: true,
    };
    const request = Buffer.alloc(16 + [0, 15, 16, 17, 512, 1024][random(6)], random(256));
    request.writeUInt32LE(TYPES[random(TYPES.length)], 0);
    request.writeBigUInt64LE(NUMBERS[random(NUMBERS.length)], 8);
    if (request.length >= 32 && random(2) === 0) {
      request.writeBigUInt64LE(NUMBERS[random(NUMBERS.length)], 16);
      request.writeUInt32LE(random(2 ** 31), 24);
      request.writeUInt32LE(random(4), 28);
    }
    const room = [0, 1, 19, 20, 512, 4096][random(6)];
    return answered(request.toString('hex'), [], async () => {
      const { status, data } = await perform(request, room, this.#disk);
      const fits = [0, 1, 2].includes(status) && data.length === room;
      return fits
        ? undefined
        : `${request.toString('hex')}: status ${status}, ${data.length} bytes`;
    });
  }

  async end() {
    await this.#blk?.close();
  }
}

const asText = (samples, pieces) => (random) => spoilt(random, samples, pieces);

export const TEXT_TARGETS = {
  names: plain([BlockError], NAMES, NAME_PIECES, readName),
  sizes: plain([], SIZES, SIZE_PIECES, readSizes),
  chardevs: plain([CliError, OptionsError], CHARDEVS, CHARDEV_PIECES, parseChardev),
  'human monitor': plain([], LINES, LINE_PIECES, readLine),
  rules: ofFile('rules', [BlockError], asText(RULES, RULE_PIECES), async (folder, name) => {
    await readRules(join(folder, name));
    return undefined;
  }),
  keys: ofFile('keys.psk', [BlockError], asText(KEYS, KEY_PIECES), async (folder) => {
    const { psk } = tlsSettingsIn(folder);
    const isKey = ([name, key]) => name !== '' && key.length > 0;
    return Object.entries(psk).every(isKey) ? undefined : 'a key is none';
  }),
  'write log': ofFile('log', [BlockError], logBytes, readLog),
  virtio: () => new VirtioTarget(),
};
