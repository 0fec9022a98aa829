// What becomes of results: the picture, the page, the parsers of other programs' output.
import { evaluate } from '../support/evaluate';
import { parseXml, type XmlElement } from '../support/xml-parser';

const row = (name: string, value: number, more: object = {}): object => ({
  name,
  api: 'promise',
  memory: 'pool',
  metric: 'iops',
  compare: 'ratio',
  unit: 'x',
  pairs: 7,
  value,
  interval: { low: value / 1.1, high: value * 1.1 },
  ours: 2e6,
  theirs: 1e6,
  cpu_us_per_io: { ours: 0.5, theirs: 1 },
  system_us_per_io: { ours: 0.25 },
  ...more,
});

const RESULTS = {
  machine: 'A processor <of a kind> & more',
  cores: 2,
  node: 'v20.0.0',
  kernel: '6.1',
  date: '2026-01-02T03:04:05.000Z',
  pairs: 7,
  seconds: 1,
  rows: [
    row('fast', 9.5, { target: { at: 'at least', value: 7 }, met: true }),
    row('slow', 0.4, { target: { at: 'at least', value: 0.8 }, met: false }),
    row('seen', 1),
    row('memory', 4000, { compare: 'value', metric: 'resident', unit: 'B', ours: 4000 }),
    { name: 'absent', api: 'promise', memory: 'pool', compare: 'ratio', skipped: 'fio not found' },
  ],
};

function elements(from: XmlElement, name: string): XmlElement[] {
  const found = from.children.flatMap((child) => elements(child, name));
  return from.name === name ? [from, ...found] : found;
}

describe('the picture', () => {
  test('bench: it is well-formed and has a bar for each ratio', async () => {
    const text = (await evaluate('bench/lib/chart.mjs', 'm.chartOf(input)', RESULTS)) as string;
    const svg = parseXml(text);
    expect(svg).toMatchObject({ name: 'svg', attributes: { role: 'img' } });
    const bars = elements(svg, 'rect');
    expect(bars.map(({ attributes }) => attributes.class)).toEqual(['met', 'missed', 'other']);
    const [fast, slow] = bars.map(({ attributes }) => Number(attributes.width));
    expect(fast).toBeGreaterThan(slow as number);
    const words = elements(svg, 'text').map((element) => element.text);
    expect(words).toEqual(expect.arrayContaining(['fast', '9.50 x (at least 7)', '8 x', '0.5 x']));
    expect(words.join(' ')).toContain('A processor <of a kind> & more, 2 cores');
    expect(words).not.toContain('memory');
  });
});

describe('the page', () => {
  test('bench: results are a table of Markdown', async () => {
    const text = (await evaluate('bench/lib/page.mjs', 'm.resultsText(input)', RESULTS)) as string;
    const table = text.split('\n').filter((line) => line.startsWith('|'));
    expect(table).toHaveLength(2 + RESULTS.rows.length);
    expect(new Set(table.map((line) => line.length)).size).toBe(1);
    expect(table[2]).toMatch(
      /^\| fast +\| +promise, pool \| +9.50 x \| +8.64 to 10\.\d \| +at least 7 x \| 0.50 \(0.25\) \| +1.00 \|$/,
    );
    expect(table[3]).toContain('**0.40 x**');
    expect(table[6]).toContain('skipped: fio not found');
  });

  test('bench: only what stands between the comments is replaced', async () => {
    const page = 'before\n<!-- one: begin -->\nold\n<!-- one: end -->\nafter\n';
    const filled = await evaluate('bench/lib/page.mjs', 'm.fillIn(...input)', [page, 'one', 'new']);
    expect(filled).toBe('before\n<!-- one: begin -->\n\nnew\n\n<!-- one: end -->\nafter\n');
    await expect(
      evaluate('bench/lib/page.mjs', 'm.fillIn(...input)', [page, 'two', 'new']),
    ).rejects.toThrow("docs/performance.md has no place for 'two'");
  });
});

describe('npm run bench:anatomy', () => {
  test('bench: system calls are read from what strace says', async () => {
    const text = [
      '% time     seconds  usecs/call     calls    errors syscall',
      '------ ----------- ----------- --------- --------- ----------------',
      ' 95.79    0.004506           0      5000           io_uring_enter',
      '  2.50    0.000118           9        13         2 openat',
      '------ ----------- ----------- --------- --------- ----------------',
      '100.00    0.004704           0      5013         2 total',
      '',
    ].join('\n');
    expect(await evaluate('bench/anatomy/system-calls.mjs', 'm.parseSummary(input)', text)).toEqual(
      { io_uring_enter: 5000, openat: 13 },
    );
  });

  test('bench: instructions are summed by the object that they lie in', async () => {
    const text = [
      'version: 1',
      'positions: line',
      'events: Ir',
      '',
      'ob=(1) /x/block_backend.node',
      'fl=(1) ring.cpp',
      'fn=(1) flush()',
      '16 400',
      '+3 5',
      'cob=(2) /lib/libc.so.6',
      'cfn=(2) memcpy',
      'calls=3 0',
      '* 3000',
      '-2 7',
      '',
      'ob=(2)',
      'fn=(2)',
      '0 3000',
      '',
      'ob=(3) ???',
      'fn=(3) 0x1234',
      '0 11',
      '',
      'ob=(4) /usr/bin/node',
      'fn=(4) v8::x',
      '0 13',
      'totals: 3436',
    ].join('\n');
    expect(
      await evaluate('bench/anatomy/instructions.mjs', 'm.parseCallgrind(input)', text),
    ).toEqual({ addon: 412, 'C library': 3000, JavaScript: 11, 'Node and V8': 13 });
  });

  test('bench: counts per request are what a run of twice as many has more', async () => {
    const counts = '{ 10: { read: 105, mmap: 9 }, 20: { read: 205, mmap: 9, exit: 1 } }';
    const expression = `m.marginal(10, async (requests) => (${counts})[requests])`;
    expect(await evaluate('bench/anatomy/marginal.mjs', expression)).toEqual({
      read: 10,
      mmap: 0,
      exit: 0.1,
    });
  });
});
