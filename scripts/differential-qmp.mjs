// Runs seeded scripts of QMP commands against qemu-storage-daemon and qemu-system, and compares every
// reply and every event, and in the end all that queries show:
//
//   npm run differential:qmp                       1,000 scripts of each kind
//   npm run differential:qmp -- --kind machine --seed 7 --scripts 1
//
// With --built nothing is built before.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { inRoot, log, main } from './lib/project.mjs';
import { which } from './lib/run.mjs';
import { withGenuine } from './transcripts/genuine.mjs';
import { MACHINE_QUERIES, MachineScript } from './transcripts/machine-script.mjs';
import { normalized, normalizedOutput, normalizedText } from './transcripts/normalize.mjs';
import { Ours } from './transcripts/ours.mjs';
import { STORAGE_QUERIES, StorageScript } from './transcripts/storage-script.mjs';

const TOPIC = 'differential:qmp';
const MIB = 1024 * 1024;
/** Firmware that stops the processor: a guest that reads its disks would be seen in the statistics. */
const HALT = 'halt.bin';
const HALT_BYTES = Buffer.alloc(64 * 1024, 0xf4);
const IMAGES = ['a.img', 'b.img', 'c.img'];
/** Differences after which it is of no use to go on. */
const MOST_DIFFERENCES = 20;

const options = {
  seed: { type: 'string' },
  scripts: { type: 'string', default: '1000' },
  commands: { type: 'string', default: '25' },
  kind: { type: 'string', default: '' },
  built: { type: 'boolean', default: false },
};

const KINDS = {
  storage: {
    program: 'qemu-storage-daemon',
    Script: StorageScript,
    // That an export is gone may be told before the reply or after it.
    eventsApart: true,
    queries: STORAGE_QUERIES,
    args: () => [],
    drives: () => [],
  },
  machine: {
    program: 'qemu-system-x86_64',
    Script: MachineScript,
    queries: MACHINE_QUERIES,
    args: (folder) => [
      ...['-bios', join(folder, HALT)],
      ...['-drive', 'if=none,id=cd'],
      ...['-device', 'ide-cd,id=cd0,drive=cd'],
      ...['-drive', `if=none,id=d1,format=raw,file=${join(folder, 'd1.img')},detect-zeroes=on`],
      ...['-drive', `if=none,id=d2,format=raw,file=${join(folder, 'd2.img')},cache=unsafe`],
      ...['-device', 'ide-hd,id=hd0,drive=d2'],
    ],
    drives: (folder) => [
      { options: {}, settings: { name: 'cd' }, device: 'cd0', removable: true },
      {
        options: { driver: 'raw', filename: join(folder, 'd1.img'), 'detect-zeroes': 'on' },
        settings: { name: 'd1' },
      },
      {
        options: { driver: 'raw', filename: join(folder, 'd2.img'), cache: { 'no-flush': true } },
        settings: { name: 'd2' },
        device: 'hd0',
        removable: false,
      },
    ],
  },
};

function makeImages(folder) {
  mkdirSync(folder);
  writeFileSync(join(folder, HALT), HALT_BYTES);
  for (const name of [...IMAGES, 'd1.img', 'd2.img']) {
    writeFileSync(join(folder, name), Buffer.alloc(MIB, 0x11));
  }
  return folder;
}

/** Both sides get the same requests, with the names of their own files. */
function localised(request, folder) {
  return JSON.parse(JSON.stringify(request).replaceAll('IMAGES/', `${folder}/`));
}

/** What a request on `qemu-io` printed here, which QEMU sends to its standard output. */
function takeOutput(request, messages, printed) {
  const line = request.arguments?.['command-line'];
  const reply = messages.at(-1);
  if (request.execute !== 'human-monitor-command' || typeof reply.return !== 'string') return;
  if (String(line).startsWith('qemu-io') && !reply.return.startsWith('Error')) {
    printed.push(reply.return);
    reply.return = '';
  }
  reply.return = normalizedText(reply.return);
}

/** The first difference, or undefined. What qemu-io printed here is added to `printed`. */
async function compare({ Script, queries, eventsApart = false }, seed, count, sides, printed) {
  const script = new Script(
    seed,
    IMAGES.map((name) => `IMAGES/${name}`),
  );
  const transcript = [];
  /** What was said of the last request, for the report. */
  const last = {};
  const events = sides.map(() => []);
  for (let index = 0; index < count + queries.length; index += 1) {
    const request = index < count ? script.next() : queries[index - count];
    const [theirs, own] = await Promise.all(
      sides.map(async ({ client, folder, output }, side) => {
        const messages = await client.ask(localised(request, folder));
        takeOutput(request, messages, output);
        last[folder] = messages.at(-1).error?.desc;
        const all = messages.map((message) => normalized(message, folder));
        if (!eventsApart) return all;
        events[side].push(...all.slice(0, -1));
        return all.slice(-1);
      }),
    );
    transcript.push(request);
    script.learn(request, own.at(-1).return !== undefined);
    if (!isDeepStrictEqual(theirs, own)) {
      return { transcript, theirs, own, said: Object.values(last) };
    }
  }
  const [theirEvents, ownEvents] = events;
  if (!isDeepStrictEqual(theirEvents, ownEvents)) {
    return { transcript, theirs: theirEvents, own: ownEvents, said: [] };
  }
  printed.push(transcript);
  return undefined;
}

async function runScript(kind, seed, count, root, ours) {
  const folders = ['theirs', 'ours'].map((side) => makeImages(join(root, side)));
  const [theirFolder, ourFolder] = folders;
  const printed = [];
  const done = [];
  try {
    const own = await ours.start(kind.drives(ourFolder));
    const [found, output] = await withGenuine(
      kind.program,
      join(root, 'qmp'),
      kind.args(theirFolder),
      (client) =>
        compare(
          kind,
          seed,
          count,
          [
            { client, folder: theirFolder, output: [] },
            { client: own, folder: ourFolder, output: printed },
          ],
          done,
        ),
    );
    if (found !== undefined) return found;
    const [theirs, ourOutput] = [output, printed.join('')].map(normalizedOutput);
    return theirs === ourOutput
      ? undefined
      : { transcript: done[0], theirs: theirs.split('\n'), own: ourOutput.split('\n'), said: [] };
  } finally {
    await ours.stop();
    for (const folder of folders) rmSync(folder, { recursive: true });
  }
}

/** Where two values part. */
function firstDifference(one, other, path) {
  const areObjects = [one, other].every((value) => typeof value === 'object' && value !== null);
  if (!areObjects || Array.isArray(one) !== Array.isArray(other)) return [path, one, other];
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  const name = names.find((each) => !isDeepStrictEqual(one[each], other[each]));
  return name === undefined
    ? [path, one, other]
    : firstDifference(one[name], other[name], `${path}/${name}`);
}

function report(name, seed, { transcript, theirs, own, said }) {
  log(TOPIC, `${name}, seed ${seed}: a difference in request ${transcript.length}`);
  for (const request of transcript) process.stderr.write(`  ${JSON.stringify(request)}\n`);
  for (const text of said.filter(Boolean)) process.stderr.write(`  said: ${text}\n`);
  const [path, their, our] = firstDifference(theirs, own, '');
  process.stderr.write(
    `  ${path}\n  theirs: ${JSON.stringify(their)}\n  ours:   ${JSON.stringify(our)}\n`,
  );
}

await main(import.meta, async (argv) => {
  const { values } = parseArgs({ args: argv, options });
  const count = Number(values.scripts);
  if (!values.built) await setupAndBuild({ tests: false });
  const ours = new Ours(await import(inRoot('dist/index.mjs')));
  const first =
    values.seed === undefined ? 1 + Math.floor(Math.random() * 2 ** 30) : Number(values.seed);
  const root = mkdtempSync(join(tmpdir(), 'blk-qmp-'));
  let differences = 0;
  try {
    for (const [name, kind] of Object.entries(KINDS).filter(([name]) =>
      name.includes(values.kind),
    )) {
      if (!which(kind.program)) {
        log(TOPIC, `${name}: skipped, ${kind.program} is not installed`);
        continue;
      }
      log(TOPIC, `${name}: ${count} scripts, the first with seed ${first}`);
      for (let index = 0; index < count; index += 1) {
        const found = await runScript(kind, first + index, Number(values.commands), root, ours);
        if (found === undefined) continue;
        report(name, first + index, found);
        differences += 1;
        if (differences >= MOST_DIFFERENCES) return 1;
      }
      log(TOPIC, `${name}: ${count} scripts were compared`);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
  log(TOPIC, differences === 0 ? 'no difference' : `${differences} differences`);
  return differences === 0 ? 0 : 1;
});
