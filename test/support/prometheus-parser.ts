// Reads the text form of Prometheus, as strictly as `promtool check metrics` and a little more.
// Written from the description of the format; it imports nothing.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? ([^ ]+)$/;
const NUMBER = /^([+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]Inf|NaN)$/i;
const ESCAPES: Readonly<Record<string, string>> = { '\\\\': '\\', '\\"': '"', '\\n': '\n' };

function check(holds: boolean, what: string, where: string): void {
  if (!holds) throw new Error(`${what}: ${where}`);
}

function unescaped(text: string): string {
  return text.replace(/\\./g, (pair) => ESCAPES[pair] as string);
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  let end = 0;
  while (end < text.length) {
    const [whole = '', name = '', value = ''] = LABEL.exec(text) ?? [];
    check(whole !== '', 'no label', text.slice(end));
    check(!(name in labels), 'a label twice', text);
    check(!name.startsWith('__'), 'a reserved label', text);
    labels[name] = unescaped(value);
    end = LABEL.lastIndex;
  }
  return labels;
}

function parseNumber(text: string): number {
  check(NUMBER.test(text), 'no number', text);
  return Number(text.replace('Inf', 'Infinity'));
}

function parseSample(line: string): Sample {
  const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
  check(name !== '', 'no sample', line);
  return { name, labels: parseLabels(labels), value: parseNumber(value) };
}

/** What tells a series from all others. */
function seriesKey({ name, labels }: Sample): string {
  const names = Object.keys(labels).sort((a, b) => (a < b ? -1 : 1));
  return JSON.stringify([name, ...names.map((label) => [label, labels[label]])]);
}

function withoutBound({ labels }: Sample): string {
  return JSON.stringify(Object.entries(labels).filter(([name]) => name !== 'le'));
}

/** The series of one histogram, in the order in which they came. */
function checkHistogram(name: string, samples: readonly Sample[]): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => parseNumber(labels.le ?? 'missing'));
  const ascends = (list: readonly number[], least: number): boolean =>
    list.every((value, index) => index === 0 || value - (list[index - 1] as number) >= least);
  const counts = buckets.map(({ value }) => value);
  const one = (suffix: string): number | undefined => {
    const found = samples.filter((sample) => sample.name === `${name}${suffix}`);
    check(found.length === 1, `not one ${suffix}`, name);
    return found[0]?.value;
  };
  check(new Set(bounds).size === bounds.length && ascends(bounds, 0), 'bounds', name);
  check(bounds.at(-1) === Number.POSITIVE_INFINITY, 'no bucket for the rest', name);
  check(ascends(counts, 0), 'buckets do not add up', name);
  check(one('_count') === counts.at(-1), 'another count than the last bucket', name);
  check((one('_sum') as number) >= 0, 'a negative sum', name);
}

function checkFamily({ name, type, help, samples }: Family): void {
  check(samples.length > 0, 'no samples', name);
  check(help.trim() !== '', 'no help', name);
  check(/_total$/.test(name) === (type === 'counter'), 'counters, and only they, are totals', name);
  const units = /_(ns|nanoseconds|us|ms|milliseconds|minutes|kib|kilobytes|mib|megabytes)(_|$)/;
  check(!units.test(name), 'a unit that is no base unit', name);
  check(!new RegExp(`_(${type})$`).test(name), 'the type in the name', name);
  for (const { name: series, value } of samples) {
    check(Number.isFinite(value), 'no finite value', series);
    check(type === 'gauge' || value >= 0, 'a negative count', series);
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    check(
      suffixes.some((suffix) => series === name + suffix),
      'of another family',
      series,
    );
  }
  if (type !== 'histogram') return;
  for (const series of groupBy(samples, withoutBound).values()) checkHistogram(name, series);
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

/** @throws Error for whatever Prometheus or its linter would complain about. */
export function parseMetrics(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let help: { name: string; text: string } | undefined;
  let family: Family | undefined;
  check(text.endsWith('\n'), 'the last line does not end', text.slice(-80));
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      check(NAME.test(name) && !families.has(name), 'a bad name, or help twice', line);
      help = { name, text: rest };
      family = undefined;
    } else if (keyword === 'TYPE') {
      check(help?.name === name, 'a type that does not follow its help', line);
      check(['counter', 'gauge', 'histogram'].includes(rest), 'a strange type', line);
      family = { name, type: rest, help: help?.text ?? '', samples: [] };
      families.set(name, family);
    } else {
      const sample = parseSample(line);
      check(family !== undefined, 'a sample before its type', line);
      check(!seen.has(seriesKey(sample)), 'a series twice', line);
      seen.add(seriesKey(sample));
      family?.samples.push(sample);
    }
  }
  for (const one of families.values()) checkFamily(one);
  return families;
}
