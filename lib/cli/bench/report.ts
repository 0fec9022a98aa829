import type { EngineReport } from '../shared/engine.js';
import { bytes, count, latency, mibPerSecond, seconds, significant } from '../shared/format.js';
import { grid, properties } from '../shared/table.js';
import type { LoadResult } from './load.js';
import type { Api, BenchOptions, Memory, Pattern } from './options.js';

/** What --json prints. */
export interface BenchReport extends EngineReport {
  readonly image: string;
  readonly rw: Pattern;
  readonly bs: number;
  readonly iodepth: number;
  readonly size: number;
  readonly direct: boolean;
  readonly seed: number;
  readonly api: Api;
  /** What the requests used; a native load has memory of its own. */
  readonly memory: Memory | 'native';
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly iops: number;
  readonly bytes_per_second: number;
  readonly latency_ns: { readonly p50: number; readonly p99: number; readonly max: number };
  /** By the statistics of the backend: the part of it that is not JavaScript's. */
  readonly disk_latency_ns: { readonly avg: number };
  /** User and system time of the whole process. */
  readonly cpu_us_per_io: number;
  /** Sum, modulo 2^32, of the first little-endian 32-bit word of every 512 bytes read. */
  readonly checksum: number;
}

export interface Run {
  readonly image: string;
  readonly options: BenchOptions;
  /** In bytes. */
  readonly size: number;
  readonly engine: EngineReport;
  readonly load: LoadResult;
  /** In ns. */
  readonly diskLatency: number;
  readonly cpuUs: number;
}

export function benchReport({
  image,
  options,
  size,
  engine,
  load,
  diskLatency,
  cpuUs,
}: Run): BenchReport {
  const { rw, bs, iodepth, direct, seed, api, memory } = options;
  const elapsed = load.elapsedNs / 1e9;
  return {
    image,
    rw,
    bs,
    iodepth,
    size,
    direct: direct === true,
    seed,
    ...engine,
    api,
    memory: api === 'native' ? 'native' : memory,
    requests: load.requests,
    bytes: load.bytes,
    seconds: elapsed,
    iops: load.requests / elapsed,
    bytes_per_second: load.bytes / elapsed,
    latency_ns: { p50: load.p50, p99: load.p99, max: load.max },
    disk_latency_ns: { avg: diskLatency },
    cpu_us_per_io: load.requests === 0 ? 0 : cpuUs / load.requests,
    checksum: load.checksum,
  };
}

const HEAD = ['requests', 'time', 'IOPS', 'MiB/s', 'p50', 'p99', 'max', 'disk avg', 'CPU/IO'];

export function benchText(report: BenchReport): string {
  const { p50, p99, max } = report.latency_ns;
  const { rw, bs, iodepth, api, memory, engine, home, reason } = report;
  return [
    properties([
      ['image', `${report.image}, ${bytes(report.size)} used${report.direct ? ', O_DIRECT' : ''}`],
      ['load', `${rw}, ${bytes(bs)} at depth ${iodepth}, seed ${report.seed}`],
      ['interface', `${api}, ${memory} memory`],
      [
        'engine',
        `${engine} on ${home === 'iothread' ? 'an IOThread' : "Node's own loop"}: ${reason}`,
      ],
    ]),
    grid(HEAD, [
      [
        count(report.requests),
        seconds(report.seconds),
        count(report.iops),
        mibPerSecond(report.bytes_per_second),
        latency(p50),
        latency(p99),
        latency(max),
        latency(report.disk_latency_ns.avg),
        `${significant(report.cpu_us_per_io)} us`,
      ],
    ]),
    `checksum of the bytes read: ${report.checksum.toString(16).padStart(8, '0')}`,
  ].join('\n');
}
