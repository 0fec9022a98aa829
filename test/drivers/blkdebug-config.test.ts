// Rules from files and from the command line: what is understood, and what is said of what is not.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  AioContext,
  BLKDEBUG_EVENTS,
  BlockBackend,
  type BlockError,
  blkdebug,
  blockdevReopen,
} from '../../lib/index.js';
import { clearGraph } from '../support/graph.js';
import { image } from '../support/images.js';
import { scratchFolder } from '../support/matrix.js';
import { codeOf } from '../support/requests.js';

const folder = scratchFolder();
const block = () => Buffer.alloc(512, 'w');
let count = 0;

afterEach(clearGraph);

function rulesFile(text: string): string {
  count += 1;
  const filename = join(folder, `rules${count}.ini`);
  writeFileSync(filename, text);
  return filename;
}

const open = (debug: object) =>
  BlockBackend.open({ driver: 'blkdebug', image: { driver: 'null-co', size: 65536 }, ...debug });

/** The sentence that an open is refused with; the code must be the one. */
async function refusal(debug: object, code = 'EINVAL'): Promise<string> {
  const error = await open(debug).then(
    () => undefined,
    (reason: BlockError) => reason,
  );
  expect(error?.code).toBe(code);
  return error?.message ?? '';
}

test('TDRV-3: a file has the same rules as the options, and they come first', async () => {
  const config = rulesFile(`
# the second read fails, once
[set-state]
event = "read_aio"
state = "1"
new_state = "2"

[inject-error "name"]
  event = "read_aio"
  state = "2"
  iotype = "read"
  errno = "28"
  once = "on"
  immediately = "off"
`);
  const file = {
    driver: 'blkdebug',
    image: { driver: 'null-co' },
    config,
    'inject-error': [{ event: 'read_aio', state: 2, iotype: 'read', errno: 12, once: true }],
  };
  await using blk = await BlockBackend.open({ driver: 'raw', file });
  const codes = [];
  for (let at = 0; at < 4; at += 1) codes.push(await codeOf(blk.pread(0, block())));
  expect(codes).toEqual(['none', 'ENOSPC', 'ENOMEM', 'none']);
});

test("TDRV-3: 'blkdebug:rules:image' names both, and the rules may be left out", async () => {
  const config = rulesFile('[inject-error]\nevent = "none"\niotype = "flush"\n');
  const disk = image(65536, Buffer.from('d'));
  for (const [name, flushed] of [
    [`blkdebug:${config}:${disk}`, 'EIO'],
    [`blkdebug::${disk}`, 'none'],
  ] as const) {
    await using blk = await BlockBackend.open({ driver: 'raw', filename: name });
    await blk.pwrite(0, block());
    expect(await codeOf(blk.flush())).toBe(flushed);
  }
});

test.each([
  ['[other]', /line 1 is not \[inject-error\] or \[set-state\]/],
  ['event = "none"', /line 1 stands before/],
  ['[inject-error]\nevent = none', /line 2 is neither a section nor name = "value"/],
  ['[inject-error]\nevent = "none"\n\nevent = "none"', /line 4 gives 'event' a second time/],
  ['[inject-error]\nevent = "nothing"', /'nothing'/],
  ['[inject-error]\nerrno = "5"', /event.* is missing/],
  ['[inject-error]\nevent = "none"\nerrno = "many"', /errno/],
  ['[inject-error]\nevent = "none"\nerrno = "4096"', /errno.* is 4096; it must be between 0 and/],
  ['[inject-error]\nevent = "none"\nwhat = "5"', /what.* is unknown to the driver 'blkdebug'/],
  ['[set-state]\nevent = "none"\nnew_state = "0"', /new_state.* is 0; it must be between 1 and/],
  [`#${'x'.repeat(1024 ** 2)}`, /is larger than 1048576 bytes/],
])('TDRV-3: a file of rules that is wrong is refused: %.40j', async (text, message) => {
  const config = rulesFile(text);
  const said = await refusal({ config });
  expect(said).toMatch(message);
  expect(said).toContain(config);
});

test('TDRV-3: a file of rules that cannot be read is refused with the reason', async () => {
  expect(await refusal({ config: join(folder, 'missing') }, 'ENOENT')).toMatch(/cannot be read/);
  expect(await refusal({ config: folder }, 'EISDIR')).toMatch(/cannot be read/);
});

test.each([
  [{ 'inject-error': [{ errno: 5 }] }, /'inject-error\.0\.event' is missing/],
  [{ 'inject-error': [{ event: 'x' }] }, /'inject-error\.0\.event'/],
  [{ 'inject-error': [{ event: 'none', iotype: 'readv' }] }, /'inject-error\.0\.iotype'/],
  [
    { 'inject-error': [{ event: 'none', errno: -1 }] },
    /errno' is -1; it must be between 0 and 4095/,
  ],
  [{ 'inject-error': [{ event: 'none', sector: -2 }] }, /sector' is -2; it must be between -1 and/],
  [{ 'inject-error': [{ event: 'none', state: -1 }] }, /state' is -1; it must be between 0 and/],
  [{ 'set-state': [{ event: 'none' }] }, /'set-state\.0\.new_state' is missing/],
  [{ 'set-state': [{ event: 'none', new_state: 2 ** 31 }] }, /new_state' is 2147483648/],
  [{ 'inject-error': 'all' }, /inject-error/],
  [{ 'inject-error': [{ event: 'none', other: 1 }] }, /inject-error\.0\.other/],
  [{ align: [512] }, /'align' cannot be an array/],
])('TDRV-3: rules that are wrong are refused: %j', async (debug, message) => {
  expect(await refusal(debug)).toMatch(message);
});

test('TDRV-3: rules with dotted names are the same rules', async () => {
  await using blk = await open({
    'inject-error.0.event': 'none',
    'inject-error.0.iotype': 'write',
    'inject-error.0.errno': 28,
    'inject-error.1.event': 'none',
    'inject-error.1.iotype': 'read',
  });
  expect(await codeOf(blk.pwrite(0, block()))).toBe('ENOSPC');
  expect(await codeOf(blk.pread(0, block()))).toBe('EIO');
});

test('TDRV-3: every event of QAPI can have a rule', async () => {
  await using blk = await open({
    'inject-error': BLKDEBUG_EVENTS.map((event) => ({ event, iotype: 'block-status' })),
  });
  const dbg = blkdebug(blk.root ?? '');
  expect(BLKDEBUG_EVENTS.map((event) => dbg.eventCount(event))).toEqual([
    ...Array(BLKDEBUG_EVENTS.length - 1).fill(0),
    1,
  ]);
  // Block status is a kind of its own: nothing else fails.
  expect(await codeOf(blk.pread(0, block()))).toBe('none');
  expect(await codeOf(blk.pwrite(0, block()))).toBe('none');
});

test('TDRV-5: a reopen repeats the rules, which stay as they are with their state', async () => {
  const debug = {
    'node-name': 'debugged',
    'inject-error': [{ event: 'none', iotype: 'flush' }],
    'set-state': [{ event: 'none', new_state: 5 }],
  };
  await using blk = await open(debug);
  const same = { driver: 'blkdebug', ...debug };
  await blockdevReopen([{ ...same, discard: 'unmap' }]);
  expect(blkdebug('debugged').state).toBe(5);
  const others = [
    { ...same, 'inject-error': [{ event: 'none', iotype: 'read' }] },
    { ...same, 'inject-error': [...debug['inject-error'], { event: 'none' }] },
    { ...same, 'inject-error': [] },
    { ...same, align: 4096 },
  ];
  for (const other of others) expect(await codeOf(blockdevReopen([other]))).toBe('EINVAL');
  await blk.pwrite(0, block());
  expect(await codeOf(blk.flush())).toBe('EIO');
});

test('TDRV-8: waiting requests are in flight, and close() in virtual time waits for them', async () => {
  await using context = new AioContext({ home: 'virtual' });
  const options = { driver: 'blkdebug', image: { driver: 'null-co' } };
  const blk = await BlockBackend.open(options, { context });
  const dbg = blkdebug(blk.root ?? '');
  dbg.breakpoint('pwritev_done', 'A');
  const write = blk.pwrite(0, block());
  await context.advance(1000);
  expect(dbg.isSuspended('A')).toBe(true);
  expect(blk.inFlight).toBe(1);
  dbg.resume('A');
  await context.advance(1000);
  await write;
  await blk.close();
});
