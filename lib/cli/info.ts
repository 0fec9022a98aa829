import { availableParallelism, release } from 'node:os';
import { hostFeatures, version } from '../index.js';
import { properties } from './shared/table.js';

export interface Info {
  readonly version: string;
  readonly node: string;
  readonly napi: string;
  readonly libc: string;
  readonly platform: string;
  readonly kernel: string;
  readonly cpus: number;
  readonly engine: string;
  readonly engine_reason: string;
  /** IORING_SETUP_* flags in force. */
  readonly engine_flags: readonly string[];
}

/** Only a node linked against glibc reports a version of it. */
function libcName(): string {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`;
}

export function readInfo(): Info {
  const features = hostFeatures();
  return {
    version,
    node: process.versions.node,
    napi: process.versions.napi ?? 'unknown',
    libc: libcName(),
    platform: `${process.platform}-${process.arch}`,
    kernel: release(),
    cpus: availableParallelism(),
    engine: features.engine,
    engine_reason: features.reason,
    engine_flags: features.flagNames,
  };
}

export function infoText(info: Info): string {
  return properties([
    ['block-backend', info.version],
    ['node', `${info.node}, Node-API ${info.napi}`],
    ['platform', `${info.platform}, ${info.libc}, ${info.cpus} CPUs`],
    ['kernel', info.kernel],
    ['engine', `${info.engine}: ${info.engine_reason}`],
    ['flags', info.engine_flags.length === 0 ? 'none' : info.engine_flags.join(' ')],
  ]);
}
