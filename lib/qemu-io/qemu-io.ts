import type { BlockBackend } from '../block-backend.js';
import { type Blkdebug, blkdebug } from '../drivers/blkdebug-control.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { AioRequests } from './aio-requests.js';
import type { Command, CommandEnvironment, OutputSink, ProcessHost } from './command.js';
import { DISK_COMMANDS, findCommand, SESSION_COMMANDS } from './command-table.js';
import { CommandFailure } from './outcome.js';
import { qemuText } from './qemu-text.js';
import { splitCommand } from './tokens.js';

/** Between two looks at whether everything waits at breakpoints. */
const LOOK_AGAIN_MS = 20;

export interface QemuIoSettings {
  readonly sink: OutputSink;
  /** The disk that commands work on, opened and closed by somebody else. */
  readonly blk?: BlockBackend | undefined;
  /** A process of its own: commands open disks, end it, and wait for nobody else. */
  readonly host?: ProcessHost | undefined;
  /** Put before errors: 'qemu-io: '. */
  readonly program?: string | undefined;
  readonly misalign?: boolean | undefined;
  /** Names of disks are lists of options. */
  readonly imageOptions?: boolean | undefined;
}

/** Runs commands of qemu-io, one after the other. (qemu-io-cmds.c) */
export class QemuIo implements CommandEnvironment {
  blk: BlockBackend | undefined;
  hasQuit = false;
  readonly requests = new AioRequests();
  readonly commands: readonly Command[];
  readonly host: ProcessHost | undefined;
  readonly misalign: boolean;
  readonly imageOptions: boolean;
  readonly #sink: OutputSink;
  readonly #program: string | undefined;
  /** How many requests were seen to wait under the tags of breakpoints. */
  readonly #stopped = new Map<string, number>();

  constructor({ sink, blk, host, program, misalign, imageOptions }: QemuIoSettings) {
    this.#sink = sink;
    this.#program = program;
    this.blk = blk;
    this.host = host;
    this.commands = host === undefined ? DISK_COMMANDS : SESSION_COMMANDS;
    this.misalign = misalign === true;
    this.imageOptions = imageOptions === true;
  }

  /**
   * Runs one command line; an empty one does nothing. Resolves to 0, or to a negative errno after
   * saying what was wrong. One line at a time: wait for it before the next. (qemuio_command)
   */
  async run(line: string): Promise<number> {
    const argv = splitCommand(line);
    const [called] = argv;
    if (called === undefined) return 0;
    const command = findCommand(this.commands, called);
    if (command === undefined) {
      this.err(`command "${called}" not found`);
      return Errno.EINVAL;
    }
    if (command.needsNoDisk !== true && this.blk === undefined) {
      this.err("no file open, try 'help open'");
      return Errno.EINVAL;
    }
    if (!this.#fits(command, argv)) return Errno.EINVAL;
    try {
      const refused = await this.#permit(command);
      if (refused < 0) return refused;
      const result = await command.run(this, argv);
      await this.#tellStopped();
      return Math.min(result, 0);
    } catch (error) {
      if (error instanceof CommandFailure) return error.errno;
      throw error;
    }
  }

  /** Waits for what was started, lets go of breakpoints, and closes a disk that a command opened. */
  async end(): Promise<void> {
    await this.wait(this.requests.finished());
    if (this.host === undefined || this.blk === undefined) return;
    await this.blk.close();
    this.blk = undefined;
  }

  out(line: string): void {
    this.#sink.out(line);
  }

  err(line: string): void {
    this.#sink.err(line);
  }

  complain(text: string): void {
    this.#sink.err(this.#program === undefined ? text : `${this.#program}: ${text}`);
  }

  warn([first = '', ...others]: readonly string[]): void {
    this.complain(`warning: ${first}`);
    for (const line of others) this.err(line);
  }

  noteBreakpoint(tag: string): void {
    if (!this.#stopped.has(tag)) this.#stopped.set(tag, 0);
  }

  noteResumed(tag: string, requests: number): void {
    if (this.host !== undefined) {
      for (let told = 0; told < requests; told += 1)
        this.out(`blkdebug: Resuming request '${tag}'`);
    }
    this.#stopped.set(tag, Math.max(0, (this.#stopped.get(tag) ?? 0) - requests));
  }

  isStuck(): boolean {
    const { blk } = this;
    if (this.host === undefined || blk === undefined) return false;
    return this.#suspended(blk) === blk.inFlight;
  }

  async wait<T>(promise: Promise<T>): Promise<T> {
    const disk = this.blk;
    if (this.#stopped.size === 0 || this.host === undefined || disk === undefined) return promise;
    const timer = setInterval(() => {
      const suspended = this.#suspended(disk);
      if (suspended === 0 || suspended !== disk.inFlight) return;
      this.#tellStoppedOf(disk);
      this.complain('every request waits at a breakpoint, and nobody could resume them: resumed');
      this.#resumeAll(disk);
    }, LOOK_AGAIN_MS);
    try {
      return await promise;
    } finally {
      clearInterval(timer);
    }
  }

  /** The disk's breakpoints; undefined where there are none. */
  #breakpoints({ root }: BlockBackend): Blkdebug | undefined {
    return root === undefined || this.#stopped.size === 0 ? undefined : blkdebug(root);
  }

  #suspended(blk: BlockBackend): number {
    const control = this.#breakpoints(blk);
    if (control === undefined) return 0;
    return [...this.#stopped.keys()].reduce((sum, tag) => sum + control.suspendedCount(tag), 0);
  }

  #resumeAll(blk: BlockBackend): void {
    const control = this.#breakpoints(blk);
    for (const tag of this.#stopped.keys()) {
      const requests = control?.suspendedCount(tag) ?? 0;
      this.noteResumed(tag, requests);
      for (let resumed = 0; resumed < requests; resumed += 1) control?.resume(tag);
    }
  }

  /** Says which requests have come to a breakpoint, once those that were made are on their way. */
  async #tellStopped(): Promise<void> {
    const { blk } = this;
    if (this.#stopped.size === 0 || this.host === undefined || blk === undefined) return;
    await new Promise(setImmediate);
    this.#tellStoppedOf(blk);
  }

  #tellStoppedOf(blk: BlockBackend): void {
    const control = this.#breakpoints(blk);
    for (const [tag, known] of this.#stopped) {
      const now = control?.suspendedCount(tag) ?? 0;
      for (let told = known; told < now; told += 1)
        this.out(`blkdebug: Suspended request '${tag}'`);
      this.#stopped.set(tag, now);
    }
  }

  #fits({ least = 0, most = least }: Command, argv: readonly string[]): boolean {
    const count = argv.length - 1;
    if (count >= least && count <= most) return true;
    const wanted =
      most === Number.POSITIVE_INFINITY
        ? `at least ${least}`
        : least === most
          ? `${least}`
          : `between ${least} and ${most}`;
    this.err(`bad argument count ${count} to ${argv[0]}, expected ${wanted} arguments`);
    return false;
  }

  /** Commands that write take the permission to, and keep it, as qemu-io's do. */
  async #permit({ permissions }: Command): Promise<number> {
    const { blk } = this;
    if (permissions === undefined || blk?.root === undefined) return 0;
    const held = blk.permissions;
    const missing = permissions.filter((name) => !held.includes(name));
    if (missing.length === 0) return 0;
    try {
      await this.wait(blk.setPermissions([...held, ...missing], blk.shared));
      return 0;
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      this.complain(blk.root.readOnly ? 'Block node is read-only' : qemuText(error));
      return error.errno;
    }
  }
}

/**
 * Runs one command of qemu-io on a disk that is open, for a monitor: `open`, `close` and `quit` are
 * not there, and what would end the process is refused. Outcomes of `aio_read` and `aio_write` may
 * reach the sink after it resolved. Resolves to 0, or to a negative errno after telling the sink
 * what was wrong. (HMP: qemu-io)
 */
export function runQemuIoCommand(
  blk: BlockBackend,
  commandLine: string,
  sink: OutputSink,
): Promise<number> {
  return new QemuIo({ blk, sink }).run(commandLine);
}
