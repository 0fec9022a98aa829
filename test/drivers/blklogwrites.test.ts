// The filter that writes down what happens to an image, and what its log is good for.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import {
  AioContext,
  BlockBackend,
  type BlockdevOptions,
  blockdevReopen,
  graphDump,
  probe,
  readWriteLog,
  replayWriteLog,
  type WriteLogEntry,
  writeLogState,
} from '../../lib/index.js';
import { fileOptions, onEveryEngineAndHome, scratchFolder } from '../support/matrix.js';
import { granted } from '../support/permissions.js';
import { codeOf, makeImage } from '../support/requests.js';
import { describeWith, foreignEnv } from '../support/tools.js';

const folder = scratchFolder();
const SIZE = 65536;

/** "write 0+512 fua" */
function told({ kind, offset, bytes, fua }: WriteLogEntry): string {
  const range = kind === 'flush' ? '' : ` ${offset}+${bytes}`;
  return `${kind}${range}${fua ? ' fua' : ''}`;
}

async function entriesOf(log: string): Promise<string[]> {
  const entries: string[] = [];
  for await (const entry of readWriteLog(log)) entries.push(told(entry));
  return entries;
}

onEveryEngineAndHome((context) => {
  let count = 0;

  /** An image, a copy of what it was, and a file for the log. */
  const files = (size = SIZE) => {
    count += 1;
    const suffix = `${context().name}-${count}`;
    return {
      image: makeImage(folder, `image-${suffix}`, size),
      before: makeImage(folder, `before-${suffix}`, size),
      log: makeImage(folder, `log-${suffix}`, 0),
    };
  };
  const logged = (
    { image, log }: { image: string; log: string },
    more: Partial<BlockdevOptions> = {},
  ): BlockdevOptions => ({
    driver: 'blklogwrites',
    'node-name': 'logged',
    discard: 'unmap',
    file: { driver: 'file', filename: image },
    log: { driver: 'file', filename: log },
    ...more,
  });
  const open = (options: BlockdevOptions, settings = {}) =>
    BlockBackend.open(options, { context: context(), ...settings });

  test('blklogwrites: writes, zero-writes, discards, FUA and flushes, and all of it again', async () => {
    const names = files();
    const blk = await open(logged(names));
    await blk.pwrite(512, Buffer.alloc(1024, 'a'));
    await blk.pwriteZeroes(8192, 4096);
    await blk.pwrite(4096, Buffer.alloc(512, 'b'), { fua: true });
    await blk.flush();
    await blk.pdiscard(16384, 8192);
    blk.writeCache = false;
    await blk.pwritev(1024, [Buffer.alloc(512, 'c'), Buffer.alloc(512, 'd')]);
    await blk.pwriteZeroes(32768, 512);
    expect(writeLogState('logged')).toEqual({ entries: 7, sectorSize: 512 });
    await blk.close();
    expect(await entriesOf(names.log)).toEqual([
      'write 512+1024',
      'write 8192+4096',
      'write 4096+512 fua',
      'flush',
      'discard 16384+8192',
      'write 1024+1024 fua',
      'write 32768+512 fua',
    ]);
    const result = await replayWriteLog({ log: names.log, target: names.before });
    expect(result).toEqual({ entries: 7, bytes: 1024 + 4096 + 512 + 8192 + 1024 + 512 });
    expect(readFileSync(names.before).equals(readFileSync(names.image))).toBe(true);
  });

  test('blklogwrites: requests below its sectors are widened to them', async () => {
    const names = files();
    const blk = await open(logged(names, { 'log-sector-size': 4096 }));
    await blk.pwrite(5000, Buffer.from('x'));
    await blk.pwrite(8190, Buffer.from('abcd'));
    await blk.pwriteZeroes(12288, 100);
    await blk.close();
    expect(await entriesOf(names.log)).toEqual([
      'write 4096+4096',
      'write 4096+8192',
      'write 12288+4096',
    ]);
    await replayWriteLog({ log: names.log, target: names.before });
    expect(readFileSync(names.before).equals(readFileSync(names.image))).toBe(true);
  });

  test('blklogwrites: many at once, every one of them once, and the image at any moment', async () => {
    const names = files();
    const blk = await open(logged(names, { 'log-super-update-interval': 7 }));
    const states = new Set<string>();
    const lane = async (index: number): Promise<void> => {
      for (let step = 0; step < 40; step += 1) {
        const text = `${index}.${step};`;
        states.add(text);
        await blk.pwrite(4096 * index + 512 * (step % 8), Buffer.alloc(512, text));
        if (step % 10 === index) await blk.flush();
      }
    };
    await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(lane));
    await blk.close();
    const seen = new Map<number, number>();
    for await (const { kind, offset } of readWriteLog(names.log)) {
      if (kind === 'write') seen.set(offset, (seen.get(offset) ?? 0) + 1);
    }
    expect([...seen.values()]).toEqual(Array(64).fill(5));
    await replayWriteLog({ log: names.log, target: names.before });
    expect(readFileSync(names.before).equals(readFileSync(names.image))).toBe(true);
  });

  test('blklogwrites: a log that is full fails requests, and the entries before stay', async () => {
    const names = files();
    const log = { driver: 'x-probe', 'node-name': 'probe', file: fileOptions(names.log) };
    await using blk = await open(logged(names, { log }));
    await blk.pwrite(0, Buffer.alloc(512, 'a'));
    probe('probe').failNext('pwrite', 'ENOSPC', 3);
    expect(await codeOf(blk.pwrite(512, Buffer.alloc(512, 'b')))).toBe('ENOSPC');
    expect(await codeOf(blk.pdiscard(512, 512))).toBe('ENOSPC');
    expect(await codeOf(blk.flush())).toBe('ENOSPC');
    await blk.pwrite(1024, Buffer.alloc(512, 'c'));
    probe('probe').failNext('flush', 'EIO', 1);
    expect(await codeOf(blk.flush())).toBe('EIO');
    await blk.flush();
    expect(await entriesOf(names.log)).toEqual(['write 0+512', 'write 1024+512', 'flush', 'flush']);
  });

  test('blklogwrites: it goes on behind the entries of a log', async () => {
    const names = files();
    const first = await open(logged(names, { 'log-sector-size': 1024 }));
    await first.pwrite(0, Buffer.alloc(1024, 'a'));
    await first.close();
    const second = await open(logged(names, { 'log-append': true }));
    expect(writeLogState('logged')).toEqual({ entries: 1, sectorSize: 1024 });
    await second.pwrite(1024, Buffer.alloc(1024, 'b'));
    await second.close();
    expect(await entriesOf(names.log)).toEqual(['write 0+1024', 'write 1024+1024']);
    const third = await open(logged(names));
    await third.pwriteZeroes(0, 512);
    await third.close();
    expect(await entriesOf(names.log)).toEqual(['write 0+512']);
    writeFileSync(names.log, '');
    const fourth = await open(logged(names, { 'log-append': true }));
    await fourth.pwrite(0, Buffer.alloc(512, 'd'));
    await fourth.close();
    expect(await entriesOf(names.log)).toEqual(['write 0+512']);
  });

  test('blklogwrites: options that cannot be', async () => {
    const names = files();
    const tried = async (more: Partial<BlockdevOptions>) => {
      const error = await open(logged(names, more)).then(
        () => undefined,
        (reason: Error) => reason,
      );
      return error?.message.replace(/ \[EINVAL\]$/, '').replace(/^.*?: /, '');
    };
    expect(await tried({ 'log-sector-size': 500 })).toContain(
      'the sector size of the log is 500; it must be a power of two from 32 to 8388608',
    );
    expect(await tried({ 'log-super-update-interval': 0 })).toContain(
      'log-super-update-interval is 0; it must be 1 or more',
    );
    expect(await tried({ 'log-append': true, 'log-sector-size': 512 })).toContain(
      "'log-sector-size' cannot be given with log-append",
    );
    writeFileSync(names.log, Buffer.alloc(512, 'x'));
    expect(await tried({ 'log-append': true })).toContain('it does not begin as a write log');
    for (const missing of ['file', 'log']) {
      const { [missing]: _, ...rest } = logged(names);
      expect(await codeOf(open(rest as BlockdevOptions))).toBe('EINVAL');
    }
    expect(graphDump().nodes).toEqual([]);
  });

  test('blklogwrites: the file is filtered, the log is ours alone', async () => {
    const names = files();
    await using blk = await open(
      logged(names, {
        file: { ...fileOptions(names.image), 'node-name': 'image' },
        log: { ...fileOptions(names.log), 'node-name': 'log' },
      }),
    );
    expect(blk.root?.children.map(({ edge }) => [edge.name, edge.role])).toEqual([
      ['log', 0x02],
      ['file', 0x14],
    ]);
    expect(granted('logged', 'image')).toEqual(granted('', 'logged'));
    expect(granted('logged', 'log')[0]).toContain('W RZ');
    expect(granted('logged', 'log')[1]).not.toContain('W RZ');
    expect(await codeOf(BlockBackend.open('log', { context: context() }))).not.toBe('none');
  });

  test('blklogwrites: read-only, it writes no log', async () => {
    const names = files();
    const blk = await open(logged(names, { 'read-only': true }), { readOnly: true });
    const buffer = Buffer.alloc(512);
    await blk.pread(0, buffer);
    expect(buffer.equals(Buffer.alloc(512, 0x64))).toBe(true);
    expect(await codeOf(blk.pwrite(0, buffer))).not.toBe('none');
    await blk.close();
    expect(statSync(names.log).size).toBe(0);
  });

  test('blklogwrites: a drained section, another context and a reopen lose and double nothing', async () => {
    const names = files();
    const other = new AioContext({ home: 'iothread', aio: 'threads', name: `other-${count}` });
    const blk = await open(logged(names));
    let going = true;
    let writes = 0;
    const load = async (lane: number): Promise<void> => {
      for (; going; writes += 1) await blk.pwrite(4096 * lane, Buffer.alloc(512, `${writes}`));
    };
    const lanes = [0, 1, 2].map(load);
    const section = await blk.drained();
    const quiet = writeLogState('logged').entries;
    expect(quiet).toBe(writes);
    await new Promise(setImmediate);
    expect(writeLogState('logged').entries).toBe(quiet);
    section.end();
    await blk.flush();
    await blk.setContext(other);
    await blockdevReopen([
      { 'node-name': 'logged', driver: 'blklogwrites', 'log-super-update-interval': 1 } as never,
    ]);
    await blk.pwrite(32768, Buffer.alloc(512, 'z'));
    await blk.setContext(context());
    going = false;
    await Promise.all(lanes);
    await blk.close();
    await other.close();
    const entries = await entriesOf(names.log);
    expect(entries.filter((text) => text.startsWith('write'))).toHaveLength(writes + 1);
    await replayWriteLog({ log: names.log, target: names.before });
    expect(readFileSync(names.before).equals(readFileSync(names.image))).toBe(true);
  });

  test('blklogwrites: other options of the log cannot be changed by a reopen', async () => {
    const names = files();
    await using blk = await open(logged(names));
    await blk.flush();
    for (const change of [{ 'log-append': true }, { 'log-sector-size': 4096 }]) {
      const options = { 'node-name': 'logged', driver: 'blklogwrites', ...change };
      expect(await codeOf(blockdevReopen([options as never]))).toBe('EINVAL');
    }
  });

  test('blklogwrites: without flushes of its own there are none in the log', async () => {
    const names = files();
    const blk = await open(logged(names, { cache: { 'no-flush': true } }));
    await blk.pwrite(0, Buffer.alloc(512, 'a'));
    await blk.flush();
    await blk.close();
    expect(await entriesOf(names.log)).toEqual(['write 0+512']);
  });

  test('blklogwrites: a growing image is replayed onto the shorter one', async () => {
    const names = files();
    const blk = await open(logged(names), { resize: true });
    await blk.truncate(2 * SIZE);
    await blk.pwrite(SIZE, Buffer.alloc(SIZE, 'g'));
    await blk.close();
    await replayWriteLog({ log: names.log, target: names.before });
    expect(readFileSync(names.before).equals(readFileSync(names.image))).toBe(true);
  });
});

describeWith(['qemu-io'], 'the same log as the genuine tool', () => {
  test('blklogwrites: writes, zeroes and discards make the entries that qemu-io makes', async () => {
    const [ours, theirs] = ['ours', 'theirs'].map((name) => ({
      image: makeImage(folder, `${name}.img`, SIZE),
      log: makeImage(folder, `${name}.log`, 0),
    })) as [{ image: string; log: string }, { image: string; log: string }];
    const script = [
      'write -P 0x61 0 4096',
      'write -z 8192 8192',
      'flush',
      'discard 4096 4096',
      'write -P 0x62 512 512',
      'flush',
    ];
    const options = `driver=blklogwrites,discard=unmap,file.driver=file,file.filename=${theirs.image},log.driver=file,log.filename=${theirs.log}`;
    const commands = script.flatMap((command) => ['-c', command]);
    execFileSync('qemu-io', [...commands, '--image-opts', options], { env: foreignEnv() });
    const blk = await BlockBackend.open({
      driver: 'blklogwrites',
      discard: 'unmap',
      file: { driver: 'file', filename: ours.image },
      log: { driver: 'file', filename: ours.log },
    });
    await blk.pwrite(0, Buffer.alloc(4096, 0x61));
    await blk.pwriteZeroes(8192, 8192);
    await blk.flush();
    await blk.pdiscard(4096, 4096);
    await blk.pwrite(512, Buffer.alloc(512, 0x62));
    await blk.flush();
    await blk.close();
    // The tool flushes twice, and once more at its end.
    const withoutRepeats = (entries: string[]): string[] =>
      entries.filter((entry, index) => entry !== 'flush' || entries[index - 1] !== 'flush');
    const mine = await entriesOf(ours.log);
    expect(withoutRepeats(await entriesOf(theirs.log))).toEqual(mine);
    expect(mine).toHaveLength(6);
    expect(readFileSync(ours.log).subarray(0, 16)).toEqual(
      readFileSync(theirs.log).subarray(0, 16),
    );
    const target = makeImage(folder, 'again.img', SIZE);
    await replayWriteLog({ log: theirs.log, target });
    expect(readFileSync(target).equals(readFileSync(ours.image))).toBe(true);
    expect(readFileSync(theirs.image).equals(readFileSync(ours.image))).toBe(true);
  });

  test('blklogwrites: qemu-io goes on where our log ends', async () => {
    const image = makeImage(folder, 'shared.img', SIZE);
    const log = makeImage(folder, 'shared.log', 0);
    const blk = await BlockBackend.open({
      driver: 'blklogwrites',
      file: { driver: 'file', filename: image },
      log: { driver: 'file', filename: log },
    });
    await blk.pwrite(0, Buffer.alloc(512, 1), { fua: true });
    await blk.pwrite(512, Buffer.alloc(512, 2));
    await blk.close();
    const options = `driver=blklogwrites,log-append=on,file.driver=file,file.filename=${image},log.driver=file,log.filename=${log}`;
    execFileSync('qemu-io', ['-c', 'write 1024 512', '--image-opts', options], {
      env: foreignEnv(),
    });
    expect((await entriesOf(log)).slice(0, 4)).toEqual([
      'write 0+512 fua',
      'write 512+512',
      'write 1024+512',
      'flush',
    ]);
  });
});
