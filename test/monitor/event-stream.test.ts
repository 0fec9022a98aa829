// Events as a stream, on the diagnostics channel, and on stderr.

import { spawnSync } from 'node:child_process';
import diagnosticsChannel from 'node:diagnostics_channel';
import { join } from 'node:path';
import { BlockBackend, blockEventStream, blockEvents } from '../../lib/index.js';
import { codeOf } from '../support/requests.js';

test('events: a stream has all events since its call, in order, with the time', async () => {
  await using blk = new BlockBackend({ name: 'd0' });
  const stream = blockEventStream();
  const before = Math.floor(Date.now() / 1000);
  blk.eject(true);
  blk.errorAction('report', true, 5);
  const first = await stream.next();
  expect(first).toMatchObject({
    done: false,
    value: {
      event: 'DEVICE_TRAY_MOVED',
      data: { device: 'd0', id: '', 'tray-open': true },
      timestamp: { seconds: expect.any(Number), microseconds: expect.any(Number) },
    },
  });
  const { seconds, microseconds } = first.value?.timestamp ?? { seconds: 0, microseconds: -1 };
  expect(seconds - before).toBeLessThanOrEqual(1);
  expect(seconds - before).toBeGreaterThanOrEqual(-1);
  expect(microseconds >= 0 && microseconds < 1e6).toBe(true);
  expect((await stream.next()).value?.event).toBe('BLOCK_IO_ERROR');
  const later = stream.next();
  blk.eject(false);
  expect((await later).value).toMatchObject({ data: { 'tray-open': false } });
  await stream.return?.();
});

test('events: leaving the loop or aborting ends the stream and its listeners', async () => {
  await using blk = new BlockBackend();
  const abort = new AbortController();
  const seen: string[] = [];
  blk.errorAction('report', true, 5);
  const stream = blockEventStream({ signal: abort.signal });
  blk.eject(true);
  blk.eject(false);
  for await (const { event } of stream) {
    seen.push(event);
    if (seen.length === 2) abort.abort();
  }
  expect(seen).toEqual(['DEVICE_TRAY_MOVED', 'DEVICE_TRAY_MOVED']);
  const left = blockEventStream();
  blk.eject(true);
  for await (const _event of left) break;
  expect(blockEvents.eventNames()).toEqual([]);
});

test('events: a stream that nobody reads ends with ENOMEM at its limit, after what it has', async () => {
  await using blk = new BlockBackend();
  const stream = blockEventStream({ limit: 2 });
  for (const open of [true, false, true]) blk.eject(open);
  expect([(await stream.next()).done, (await stream.next()).done]).toEqual([false, false]);
  expect(await codeOf(stream.next())).toBe('ENOMEM');
  expect(blockEvents.eventNames()).toEqual([]);
});

test('events: a diagnostics channel has them, too', async () => {
  await using blk = new BlockBackend({ name: 'd0' });
  const messages: unknown[] = [];
  const listener = (message: unknown) => messages.push(message);
  diagnosticsChannel.subscribe('block-backend:event', listener);
  blk.eject(true);
  diagnosticsChannel.unsubscribe('block-backend:event', listener);
  blk.eject(false);
  expect(messages).toEqual([
    { event: 'DEVICE_TRAY_MOVED', data: { device: 'd0', id: '', 'tray-open': true } },
  ]);
});

test('events: NODE_DEBUG=block-backend prints them', () => {
  const code = `
    const { BlockBackend } = require('block-backend');
    const blk = new BlockBackend({ name: 'd0' });
    blk.eject(true);
    void blk.close();
  `;
  const run = (value: string) =>
    spawnSync(process.execPath, ['-e', code], {
      cwd: join(__dirname, '../..'),
      env: { ...process.env, NODE_DEBUG: value },
      encoding: 'utf8',
    }).stderr;
  expect(run('block-backend')).toMatch(/BLOCK-BACKEND \d+: DEVICE_TRAY_MOVED .*device: 'd0'/);
  expect(run('')).toBe('');
});

test('events: what a listener causes comes after what it heard, for all listeners', async () => {
  await using blk = new BlockBackend();
  const seen: string[] = [];
  const causing = () => {
    blk.errorAction('report', true, 5);
    seen.push('caused');
  };
  const stream = blockEventStream();
  const hearing = (name: string) => () => seen.push(name);
  const listeners = { first: causing, second: hearing('moved'), third: hearing('error') };
  blockEvents.on('DEVICE_TRAY_MOVED', listeners.first);
  blockEvents.on('DEVICE_TRAY_MOVED', listeners.second);
  blockEvents.on('BLOCK_IO_ERROR', listeners.third);
  blk.eject(true);
  expect(seen).toEqual(['caused', 'moved', 'error']);
  expect((await stream.next()).value?.event).toBe('DEVICE_TRAY_MOVED');
  expect((await stream.next()).value?.event).toBe('BLOCK_IO_ERROR');
  blockEvents.off('DEVICE_TRAY_MOVED', listeners.first);
  blockEvents.off('DEVICE_TRAY_MOVED', listeners.second);
  blockEvents.off('BLOCK_IO_ERROR', listeners.third);
  await stream.return?.();
});

describe('events: rate limits', () => {
  beforeEach(() => jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] }));
  afterEach(() => jest.useRealTimers());

  test('NEW-19: of one device the first error is sent, then each second the newest', async () => {
    await using disk = new BlockBackend({ name: 'disk' });
    await using other = new BlockBackend({ name: 'other' });
    disk.attachDevice({}, 'a', '/machine/a');
    other.attachDevice({}, 'b', '/machine/b');
    const stream = blockEventStream({ rateLimit: true });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { event, data } of stream) {
        if (event === 'BLOCK_IO_ERROR') seen.push(`${data.device} ${data.reason}`);
        else seen.push(event);
      }
    })();
    const passing = async (ms: number) => {
      jest.advanceTimersByTime(ms);
      await new Promise(setImmediate);
      return seen.splice(0);
    };
    const fails = (blk: BlockBackend, ...errors: number[]) => {
      for (const errno of errors) blk.errorAction('report', true, errno);
    };
    fails(disk, 5, 5, 28);
    fails(other, 5);
    disk.eject(true);
    const [eio, enospc] = ['i/o error', 'no space left on device'];
    expect(await passing(999)).toEqual([`disk ${eio}`, `other ${eio}`, 'DEVICE_TRAY_MOVED']);
    expect(await passing(1)).toEqual([`disk ${enospc}`]);
    fails(disk, 5);
    fails(other, 28);
    expect(await passing(999)).toEqual([`other ${enospc}`]);
    expect(await passing(1)).toEqual([`disk ${eio}`]);
    expect(await passing(1000)).toEqual([]);
    fails(disk, 28);
    expect(await passing(0)).toEqual([`disk ${enospc}`]);
    fails(disk, 5);
    await stream.return?.();
    await reading;
    expect(jest.getTimerCount()).toBe(0);
  });
});
