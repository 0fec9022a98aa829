// Commands of qemu-io on a disk, in this process.
import { BlockBackend, type ImageOptions } from '../../lib/index.js';
import type { ProcessHost } from '../../lib/qemu-io/command.js';
import { QemuIo } from '../../lib/qemu-io/qemu-io.js';
import { image } from './images.js';

export interface Transcript {
  /** 0 or a negative errno, of the last command. */
  result: number;
  out: string[];
  err: string[];
}

/** Times say nothing in a test. */
function withoutTimes(line: string): string {
  return line
    .replace(/^(.* ops); \S+(?: sec)? \(.*\/sec and .* ops\/sec\)$/, '$1; TIME')
    .replace(/^(\d+,\d+),\d+:\d\d:\d\d\.\d\d,[\d.]+,[\d.]+$/, '$1,TIME');
}

/** What `abort` and `sigraise` would have done. */
export class FakeHost implements ProcessHost {
  readonly signals: number[] = [];
  aborted = false;

  raise(signal: number): Promise<void> {
    this.signals.push(signal);
    return Promise.resolve();
  }

  abort(): Promise<never> {
    this.aborted = true;
    return Promise.reject(new Error('aborted'));
  }
}

/** A session as that of `blk io`. */
export class TestSession {
  readonly host = new FakeHost();
  readonly io: QemuIo;
  readonly #out: string[] = [];
  readonly #err: string[] = [];

  constructor({
    blk,
    monitor = false,
    ...settings
  }: { blk?: BlockBackend; monitor?: boolean; misalign?: boolean; imageOptions?: boolean } = {}) {
    this.io = new QemuIo({
      ...settings,
      sink: { out: (line) => this.#out.push(line), err: (line) => this.#err.push(line) },
      blk,
      program: 'qemu-io',
      ...(monitor ? {} : { host: this.host }),
    });
  }

  /** Runs the commands, and gives what they said since the last call. */
  async run(...commands: string[]): Promise<Transcript> {
    let result = 0;
    for (const command of commands) result = await this.io.run(command);
    return { result, out: this.#out.splice(0).map(withoutTimes), err: this.#err.splice(0) };
  }
}

/** Runs `body` in a session with that disk open. */
export async function withDisk(
  options: ImageOptions,
  body: (session: TestSession, blk: BlockBackend) => Promise<void>,
  settings: { monitor?: boolean; misalign?: boolean } = {},
): Promise<void> {
  const blk = await BlockBackend.open(options);
  const session = new TestSession({ blk, ...settings });
  try {
    await body(session, blk);
  } finally {
    await session.io.end();
    await blk.close();
  }
}

/** A raw image of `bytes` bytes, opened as qemu-io opens it. */
export function rawDisk(filename: string, more: object = {}): ImageOptions {
  return { driver: 'raw', discard: 'unmap', file: { driver: 'file', filename }, ...more };
}

/** A session on a new file of 64 KiB of 'd', or what else is given. */
export function withFile(
  body: (session: TestSession, filename: string, blk: BlockBackend) => Promise<void>,
  {
    bytes = 65536,
    content = 'd',
    more = {},
  }: { bytes?: number; content?: string; more?: object } = {},
): Promise<void> {
  const filename = image(bytes, content === '' ? undefined : Buffer.from(content));
  return withDisk(rawDisk(filename, more), (session, blk) => body(session, filename, blk));
}
