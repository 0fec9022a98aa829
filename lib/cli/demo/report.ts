import type { EngineReport } from '../shared/engine.js';
import { bytes, count, latency, mibPerSecond, seconds } from '../shared/format.js';
import { grid, properties } from '../shared/table.js';
import type { Corruption } from './corruption.js';
import type { NbdCheck } from './nbd-check.js';
import type { DemoMode } from './options.js';
import type { PhaseResult } from './phase.js';

/** What --json prints. */
export interface DemoReport extends EngineReport {
  readonly image: string;
  readonly mode: DemoMode;
  /** Of the part that was used, in bytes. */
  readonly size: number;
  readonly depth: number;
  readonly seed: number;
  /** Requests of the plan that were carried out: what --verify-only needs to know. */
  readonly requests: number;
  readonly phases: Readonly<Record<string, PhaseResult>>;
  readonly flush_seconds?: number;
  /** Bytes that were compared with what was written, or with zeroes. */
  readonly verified_bytes?: number;
  /** Absent where there is no client. */
  readonly nbd?: NbdCheck;
  readonly errors: number;
  readonly corruptions: readonly Corruption[];
}

const WHAT_WAS_DONE: Readonly<Record<DemoMode, string>> = {
  'write+verify': 'wrote random requests, flushed, and verified every byte written',
  write: 'wrote random requests and flushed; nothing was verified',
  verify: 'verified every byte that a run with this seed wrote',
  read: 'read random ranges twice and compared the checksums; nothing was written',
};

function phaseRow([name, phase]: readonly [string, PhaseResult]): string[] {
  const { p50, p99, max } = phase.latency_ns;
  return [
    name,
    count(phase.requests),
    seconds(phase.seconds),
    count(phase.iops),
    mibPerSecond(phase.bytes_per_second),
    latency(p50),
    latency(p99),
    latency(max),
    latency(phase.disk_latency_ns.avg),
  ];
}

const HEAD = ['', 'requests', 'time', 'IOPS', 'MiB/s', 'p50', 'p99', 'max', 'disk avg'];

function outcome(report: DemoReport): string {
  const { errors, verified_bytes: verified } = report;
  if (errors > 0) return `${count(errors)} CORRUPT`;
  return verified === undefined ? 'none' : `none in ${bytes(verified)} verified`;
}

/** What another program says to it. */
function nbdText({ mode, errors, nbd }: DemoReport): string | undefined {
  if (mode !== 'write+verify' || errors > 0) return undefined;
  if (nbd === undefined) return 'not checked: nbdcopy is not installed (Debian: libnbd-bin)';
  return `served; ${nbd.client} read the same ${bytes(nbd.bytes)} in ${seconds(nbd.seconds)}`;
}

/** How to verify later what this run wrote. */
function hint({ mode, image, seed, requests }: DemoReport): string | undefined {
  if (mode !== 'write') return undefined;
  return `blk demo ${image} --verify-only --seed ${seed} --requests ${requests}`;
}

export function demoText(report: DemoReport): string {
  const { flush_seconds: flush, seed, requests, depth } = report;
  return [
    properties([
      ['image', `${report.image}, ${bytes(report.size)} used, raw -> file -> drive0`],
      ['did', WHAT_WAS_DONE[report.mode]],
      ['engine', `${report.engine} on ${homeText(report.home)}: ${report.reason}`],
      ['workload', `4 KiB to 256 KiB at depth ${depth}, seed ${seed}, ${count(requests)} requests`],
    ]),
    grid(HEAD, Object.entries(report.phases).map(phaseRow)),
    properties([
      ['flush', flush === undefined ? undefined : seconds(flush)],
      ['nbd', nbdText(report)],
      ['errors', outcome(report)],
      ['verify', hint(report)],
    ]),
  ].join('\n');
}

function homeText(home: string): string {
  return home === 'iothread' ? 'an IOThread' : "Node's own loop";
}

/** One sentence on what is wrong; the first places in detail. */
export function corruptionText({ errors, corruptions }: DemoReport): string {
  const places = corruptions.map(
    ({ offset, expected, found }) =>
      `corruption at offset ${offset}: expected ${expected}, found ${found}`,
  );
  if (errors > places.length) places.push(`and ${count(errors - places.length)} more`);
  return places.join('\n');
}
