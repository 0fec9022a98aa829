import { setTimeout as delay } from 'node:timers/promises';
import { QmpClient } from '../../qmp/client.js';
import type { ListenAddress } from '../../qmp/listener.js';
import { CliError } from '../shared/cli-error.js';
import { count, latency, mibPerSecond } from '../shared/format.js';
import { grid } from '../shared/table.js';
import { type DriveRates, ratesBetween, Sampler } from './sample.js';

export interface TopOptions {
  /** Seconds between two tables. */
  readonly interval: number;
  /** Tables until it ends; undefined: until it is interrupted. */
  readonly count?: number;
  readonly json?: boolean;
}

const HEAD = [
  'drive',
  'read/s',
  'write/s',
  'MiB/s read',
  'MiB/s written',
  'latency',
  'in flight',
  'throttled',
  'waited/s',
];
/** To the top of the screen, and nothing below. */
const FRESH_SCREEN = '\u001b[H\u001b[J';

const or = (value: number | undefined, shown: (value: number) => string): string =>
  value === undefined ? '-' : shown(value);

function rowOf(rates: DriveRates): string[] {
  return [
    rates.name,
    count(rates.reads),
    count(rates.writes),
    mibPerSecond(rates.readBytes),
    mibPerSecond(rates.writtenBytes),
    or(rates.latency, latency),
    or(rates.inFlight, count),
    or(rates.throttled, count),
    or(rates.throttledNs, latency),
  ];
}

function show(rates: readonly DriveRates[], { json }: TopOptions): void {
  if (json === true) {
    process.stdout.write(`${JSON.stringify(rates)}\n`);
    return;
  }
  const table = rates.length === 0 ? 'no drives' : grid(HEAD, rates.map(rowOf));
  process.stdout.write(`${process.stdout.isTTY ? FRESH_SCREEN : ''}${table}\n`);
}

/** 'host:port', or the path of a unix socket. */
function addressOf(text: string): ListenAddress {
  const [, host, port] = /^([^/]*):(\d+)$/.exec(text) ?? [];
  return host === undefined ? { path: text } : { host: host || 'localhost', port: Number(port) };
}

async function connectTo(monitor: string): Promise<QmpClient> {
  try {
    return await QmpClient.connect(addressOf(monitor));
  } catch (error) {
    throw new CliError(`no monitor at '${monitor}': ${(error as Error).message}`);
  }
}

export async function runTop(monitor: string, options: TopOptions): Promise<void> {
  using client = await connectTo(monitor);
  const sampler = await Sampler.of(client);
  let before = await sampler.take();
  for (let shown = 0; options.count === undefined || shown < options.count; shown += 1) {
    await delay(options.interval * 1000);
    const after = await sampler.take();
    show(ratesBetween(before, after), options);
    before = after;
  }
}
