// What Prometheus would fetch, against the statistics themselves, in virtual time.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  AioContext,
  type BackendSettings,
  BlockBackend,
  type BlockdevOptions,
  blockLatencyHistogramSet,
  drainedAll,
  graphDump,
  METRICS_CONTENT_TYPE,
  metrics,
  ThrottleGroup,
} from '../../lib/index.js';
import { Dispatches, MS, SECOND } from '../support/dispatches.js';
import { fastDisk, slowDisk } from '../support/null-disk.js';
import { program } from '../support/program.js';
import { type Family, parseMetrics, type Sample } from '../support/prometheus-parser.js';
import { inVirtualTime } from '../support/requests.js';
import { turn } from '../support/waiting.js';

/** A virtual context and disks in it. */
class Fixture implements AsyncDisposable {
  readonly context = new AioContext({ home: 'virtual' });
  readonly dispatches = new Dispatches(this.context);
  readonly #backends: BlockBackend[] = [];

  async disk(
    settings: BackendSettings = {},
    options: BlockdevOptions = fastDisk(),
  ): Promise<BlockBackend> {
    const blk = await BlockBackend.open(options, { ...settings, context: this.context });
    this.#backends.push(blk);
    return blk;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const blk of this.#backends) await inVirtualTime(this.context, blk.close());
    await this.context.close();
  }
}

type Labels = Readonly<Record<string, string>>;

/** What was fetched, and how to look something up in it. */
class Fetched {
  readonly families: Map<string, Family>;

  constructor(text: string) {
    this.families = parseMetrics(text);
  }

  /** All series of that name with at least these labels. */
  find(series: string, labels: Labels = {}): Sample[] {
    return [...this.families.values()]
      .flatMap(({ samples }) => samples)
      .filter(({ name }) => name === series)
      .filter((sample) => Object.entries(labels).every(([key, is]) => sample.labels[key] === is));
  }

  /** The value of the only one. */
  value(series: string, labels: Labels = {}): number {
    const found = this.find(series, labels);
    expect([series, labels, found.length]).toEqual([series, labels, 1]);
    return found[0]?.value as number;
  }

  /** Bounds and counts of a histogram; `+Inf` last. */
  buckets(name: string, labels: Labels): [string, number][] {
    return this.find(`${name}_bucket`, labels).map(({ labels: { le = '' }, value }) => [le, value]);
  }
}

const fetched = async (): Promise<Fetched> => new Fetched(await metrics());

const byName = (a: string, b: string): number => (a < b ? -1 : 1);

afterEach(() => {
  expect(BlockBackend.all()).toEqual([]);
  expect(ThrottleGroup.all()).toEqual([]);
});

/** Everything that can be counted of a type, in other numbers than of any other type. */
async function accountAll(blk: BlockBackend, context: AioContext): Promise<void> {
  const { accounting } = blk;
  for (const [index, type] of (['read', 'write', 'flush', 'unmap'] as const).entries()) {
    for (let count = 0; count < 2 + index; count += 1) {
      const cookie = accounting.start(type, type === 'flush' ? 0 : 1000 + index);
      await context.advance(10 * MS + index);
      accounting.done(cookie);
    }
    for (let count = 0; count < 7 + index; count += 1) accounting.failed(accounting.start(type, 1));
    for (let count = 0; count < 12 + index; count += 1) accounting.invalid(type);
    accounting.merged(type, 20 + index);
  }
}

describe('backends', () => {
  test('metrics: every counter is that of the statistics', async () => {
    await using fixture = new Fixture();
    const blk = await fixture.disk({ name: 'drive0' });
    const other = await fixture.disk({ name: 'drive1' });
    await accountAll(blk, fixture.context);
    const all = await fetched();
    const { stats } = blk;
    const value = (name: string, type: string): number =>
      all.value(`block_backend_${name}_total`, { device: 'drive0', type });
    for (const [type, short] of [
      ['read', 'rd'],
      ['write', 'wr'],
      ['flush', 'flush'],
      ['unmap', 'unmap'],
    ] as const) {
      expect(value('operations', type)).toBe(stats[`${short}_operations`]);
      expect(value('failed_operations', type)).toBe(stats[`failed_${short}_operations`]);
      expect(value('invalid_operations', type)).toBe(stats[`invalid_${short}_operations`]);
      expect(value('operation_seconds', type)).toBe(stats[`${short}_total_time_ns`] / 1e9);
      if (short === 'flush') continue;
      expect(value('bytes', type)).toBe(stats[`${short}_bytes`]);
      expect(value('merged_operations', type)).toBe(stats[`${short}_merged`]);
    }
    expect([value('operations', 'write'), value('bytes', 'write')]).toEqual([3, 3003]);
    expect(value('operation_seconds', 'unmap')).toBe(0.050000015);
    for (const { value: none } of all.find('block_backend_operations_total', { device: 'drive1' }))
      expect(none).toBe(0);
    expect(other.stats.rd_operations).toBe(0);
  });

  test('metrics: a latency histogram adds its bins up, and has its sum', async () => {
    await using fixture = new Fixture();
    const blk = await fixture.disk({ name: 'drive0' });
    blk.attachDevice({}, 'disk0');
    expect((await fetched()).families.has('block_backend_latency_seconds')).toBe(false);
    const before = blk.accounting.start('write', 512);
    await fixture.context.advance(5);
    blk.accounting.done(before);
    blockLatencyHistogramSet({ id: 'disk0', 'boundaries-write': [1000, MS, 20 * MS] });
    for (const [latency, fails] of [
      [999, false],
      [1000, false],
      [MS - 1, true],
      [SECOND, false],
    ] as const) {
      const cookie = blk.accounting.start('write', 512);
      await fixture.context.advance(latency);
      if (fails) blk.accounting.failed(cookie);
      else blk.accounting.done(cookie);
    }
    const all = await fetched();
    const labels = { device: 'drive0', qdev: 'disk0', type: 'write' };
    expect(blk.stats.wr_latency_histogram?.bins).toEqual([1, 2, 0, 1]);
    expect(all.buckets('block_backend_latency_seconds', labels)).toEqual([
      ['0.000001', 1],
      ['0.001', 3],
      ['0.02', 3],
      ['+Inf', 4],
    ]);
    expect(all.value('block_backend_latency_seconds_sum', labels)).toBe(1.001001998);
    expect(all.find('block_backend_latency_seconds_count')).toHaveLength(1);
  });

  test('metrics: latencies and queue depths lately, idle time, and how far writes went', async () => {
    await using fixture = new Fixture();
    const { context } = fixture;
    const settings = { name: 'drive0', accountRequests: true, 'stats-intervals': [10, 60, 10] };
    const blk = await fixture.disk(settings, slowDisk(3 * MS));
    expect((await fetched()).families.has('block_backend_idle_seconds')).toBe(false);
    await inVirtualTime(context, blk.pwrite(4096, Buffer.alloc(512)));
    await context.advance(7);
    const all = await fetched();
    const [stats] = blk.stats.timed_stats;
    const labels = { device: 'drive0', type: 'write', interval: '10s' };
    expect(all.value('block_backend_queue_depth', labels)).toBe(stats?.avg_wr_queue_depth);
    expect(stats?.avg_wr_queue_depth).toBeGreaterThan(0);
    for (const which of ['min', 'avg', 'max']) {
      const name = `block_backend_interval_latency_${which}_seconds`;
      expect(all.value(name, labels)).toBe(0.003);
      expect(all.value(name, { ...labels, interval: '60s' })).toBe(0.003);
      expect(all.value(name, { ...labels, type: 'read' })).toBe(0);
    }
    expect(all.value('block_backend_idle_seconds')).toBe(7e-9);
    expect(all.value('block_backend_highest_written_offset_bytes')).toBe(4608);
  });

  test('metrics: what is under way, and what waits for the end of a section', async () => {
    await using fixture = new Fixture();
    const blk = await fixture.disk({ name: 'drive0' }, slowDisk(3 * MS));
    const read = (): Promise<number> => blk.pread(0, Buffer.alloc(512));
    const first = [read(), read(), read()];
    const gauges = async (): Promise<number[]> => {
      const all = await fetched();
      return ['in_flight', 'parked'].map((what) => all.value(`block_backend_${what}_requests`));
    };
    expect(await gauges()).toEqual([3, 0]);
    await inVirtualTime(fixture.context, Promise.all(first));
    const section = await inVirtualTime(fixture.context, drainedAll());
    const later = [read(), read()];
    expect(await gauges()).toEqual([0, 2]);
    section.end();
    await inVirtualTime(fixture.context, Promise.all(later));
  });

  test('metrics: backends without a name have the number that graphDump() shows', async () => {
    await using fixture = new Fixture();
    await fixture.disk({}, fastDisk({ 'node-name': 'shared' }));
    const blk = await BlockBackend.open('shared', {});
    const empty = new BlockBackend();
    const all = await fetched();
    const infos = all.find('block_backend_info').map(({ labels }) => labels);
    const ids = graphDump().backends.map(({ id }) => `#${id}`);
    expect(infos.map(({ device }) => device)).toEqual(ids);
    expect(infos.map(({ node }) => node)).toEqual(['shared', 'shared', undefined]);
    expect(infos[2]?.context).toBe('main');
    await blk.close();
    await empty.close();
    expect((await fetched()).find('block_backend_info')).toHaveLength(1);
  });
});

describe('throttling', () => {
  test('metrics: members and groups tell who waits, how long, and for how much longer', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const first = await fixture.disk({ name: 'first' });
    const second = await fixture.disk({ name: 'second' });
    for (const blk of [first, second]) blk.ioLimitsEnable('g');
    first.setIoLimits({ 'iops-total': 10, 'bps-write': 1000 });
    dispatches.reads('a', first, 4);
    dispatches.reads('b', second, 1);
    await turn();

    const early = await fetched();
    const [a, b] = ['first', 'second'].map((device) => ({ group: 'g', device, direction: 'read' }));
    const group = { group: 'g', direction: 'read' };
    const gauges = (all: Fetched, name: string): number[] => [
      all.value(`block_throttle_member_${name}`, a),
      all.value(`block_throttle_member_${name}`, b),
      all.value(`block_throttle_group_${name}`, group),
    ];
    expect(gauges(early, 'throttled_requests_total')).toEqual([2, 1, 3]);
    expect(gauges(early, 'waiting_requests')).toEqual([2, 1, 3]);
    expect(gauges(early, 'throttled_for_seconds')).toEqual([0.1, 0.1, 0.1]);
    expect(gauges(early, 'wait_seconds_count')).toEqual([0, 0, 0]);
    expect(early.value('block_throttle_group_level_operations')).toBe(2);
    expect(early.value('block_throttle_group_limit_operations_per_second')).toBe(10);
    const bytes = { group: 'g', bucket: 'write' };
    expect(early.value('block_throttle_group_level_bytes', bytes)).toBe(0);
    expect(early.value('block_throttle_group_limit_bytes_per_second')).toBe(1000);
    expect(early.value('block_throttle_group_members', { group: 'g' })).toBe(2);
    const writes = { group: 'g', direction: 'write' };
    expect(early.value('block_throttle_group_waiting_requests', writes)).toBe(0);

    await dispatches.advanceTo(SECOND);
    expect(dispatches.order).toBe('a a a b a');
    const late = await fetched();
    expect(gauges(late, 'waiting_requests')).toEqual([0, 0, 0]);
    expect(gauges(late, 'throttled_for_seconds')).toEqual([0, 0, 0]);
    // a after 100 and 300 ms, b after 200 ms.
    expect(gauges(late, 'wait_seconds_sum')).toEqual([0.4, 0.2, 0.6]);
    expect(gauges(late, 'wait_seconds_count')).toEqual([2, 1, 3]);
    const buckets = late.buckets('block_throttle_group_wait_seconds', group);
    expect(buckets.slice(7, 10)).toEqual([
      ['0.067108864', 0],
      ['0.268435456', 2],
      ['1.073741824', 3],
    ]);
    expect(buckets.at(-1)).toEqual(['+Inf', 3]);

    await second.ioLimitsDisable();
    const after = await fetched();
    expect(after.find('block_throttle_member_waiting_requests', b)).toEqual([]);
    expect(after.value('block_throttle_group_throttled_requests_total', group)).toBe(3);
  });

  test('metrics: bins that are shown hold all that a member waited', async () => {
    await using fixture = new Fixture();
    const { dispatches } = fixture;
    const blk = await fixture.disk({ name: 'drive0' });
    blk.ioLimitsEnable('g');
    blk.setIoLimits({ 'iops-total': 10_000 });
    dispatches.reads('r', blk, 1100);
    await dispatches.advanceTo(20 * MS);
    blk.setIoLimits({ 'iops-total': 1 });
    dispatches.reads('r', blk, 3);
    await dispatches.advanceTo(10 * SECOND);
    const { bins, throttled } = blk.throttleInfo().read;
    const all = await fetched();
    const labels = { device: 'drive0', direction: 'read' };
    const below = (exponent: number): number =>
      bins.slice(0, exponent + 1).reduce((sum, count) => sum + count, 0);
    const shown = all.buckets('block_throttle_member_wait_seconds', labels);
    expect(throttled).toBeGreaterThan(90);
    expect(shown).toHaveLength(16);
    for (const [le, count] of shown) {
      const exponent = le === '+Inf' ? 47 : Math.log2(Math.round(Number(le) * 1e9));
      expect([le, count]).toEqual([le, below(exponent)]);
    }
  });

  test('metrics: a throttle node is a member by its own name', async () => {
    await using fixture = new Fixture();
    const group = new ThrottleGroup('limits', { 'iops-read': 10, 'iops-read-max': 100 });
    group.update({ 'iops-read-max-length': 2 });
    const options = {
      driver: 'throttle',
      'node-name': 'throttle0',
      'throttle-group': 'limits',
      file: fastDisk(),
    };
    const blk = await fixture.disk({}, options);
    fixture.dispatches.reads('r', blk, 12);
    await turn();
    const all = await fetched();
    const labels = { group: 'limits', node: 'throttle0', direction: 'read' };
    expect(all.value('block_throttle_member_waiting_requests', labels)).toBe(1);
    expect(all.find('block_throttle_member_waiting_requests')).toHaveLength(2);
    const bucket = { group: 'limits', bucket: 'read' };
    expect(all.value('block_throttle_group_level_operations', bucket)).toBe(11);
    expect(all.value('block_throttle_group_burst_level_operations', bucket)).toBe(11);
    await fixture.dispatches.advanceTo(SECOND);
    await blk.close();
    group.delete();
  });
});

describe('the text', () => {
  test('metrics: docs/statistics.md lists them all, with their types, and no others', async () => {
    await using fixture = new Fixture();
    const settings = { name: 'drive0', 'stats-intervals': [10] };
    const blk = await fixture.disk(settings);
    blk.attachDevice({}, 'disk0');
    blockLatencyHistogramSet({ id: 'disk0', boundaries: [1000] });
    blk.accounting.invalid('read');
    blk.ioLimitsEnable('g');
    blk.setIoLimits({ 'iops-total': 10, 'bps-total': 1000 });
    const { families } = await fetched();
    const page = readFileSync(join(__dirname, '../../docs/statistics.md'), 'utf8');
    const listed = [...page.matchAll(/^\| `(block_\w+)` +\| (\w+)/gm)].map(([, ...row]) => row);
    const known = [...families.values()].map(({ name, type }) => [name, type]);
    expect(listed.map(String).sort(byName)).toEqual(known.map(String).sort(byName));
  });

  test('metrics: names with quotes, backslashes and new lines arrive as they are', async () => {
    await using fixture = new Fixture();
    const strange = 'a"b\\c\nd\\n{e="f"},\u00e9 ';
    const blk = await fixture.disk({ name: 'drive0' });
    blk.attachDevice({}, '', strange);
    blk.ioLimitsEnable(strange);
    const all = await fetched();
    expect(all.find('block_backend_info')[0]?.labels.qdev).toBe(strange);
    expect(all.find('block_throttle_group_members')[0]?.labels.group).toBe(strange);
  });

  test('metrics: without a backend there is nothing to tell', async () => {
    const { families } = await fetched();
    expect(families.size).toBe(0);
    expect(METRICS_CONTENT_TYPE).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  test('metrics: they are of the moment of the call, and looking changes nothing', async () => {
    await using fixture = new Fixture();
    const blk = await fixture.disk({ name: 'drive0', accountRequests: true });
    blk.ioLimitsEnable('g');
    blk.setIoLimits({ 'iops-total': 1 });
    fixture.dispatches.reads('r', blk, 3);
    await turn();
    const texts = await Promise.all([metrics(), metrics()]);
    const before = metrics();
    await fixture.dispatches.advanceTo(5 * SECOND);
    expect([...texts, await before]).toEqual([texts[0], texts[0], texts[0]]);
    expect(await metrics()).not.toBe(texts[0]);
    expect(
      new Fetched(texts[0]).value('block_throttle_group_waiting_requests', { direction: 'read' }),
    ).toBe(2);
  });
});

describe('the client library', () => {
  const loaded = `Object.keys(require.cache).some((path) => path.includes('prom-client'))`;

  test('metrics: the library is loaded by the first call, from CommonJS', async () => {
    const result = await program(`
      const { BlockBackend, metrics } = require('block-backend');
      const before = ${loaded};
      new BlockBackend({ name: 'drive0' });
      metrics().then((text) => {
        const found = text.includes('block_backend_info{device="drive0"');
        console.log(JSON.stringify({ before, after: ${loaded}, found }));
        process.exit();
      });
    `);
    expect(result).toEqual({ before: false, after: true, found: true });
  });

  test('metrics: an ES module has them, too', async () => {
    const result = await program(`
      import('block-backend').then(async ({ BlockBackend, metrics }) => {
        const blk = new BlockBackend({ name: 'drive0' });
        const text = await metrics();
        await blk.close();
        console.log(JSON.stringify(text.includes('block_backend_info{device="drive0"')));
      });
    `);
    expect(result).toBe(true);
  });
});
