import type { BlockBackend } from '../block-backend.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { AioRequests } from './aio-requests.js';
import { BreakpointWatch } from './breakpoint-watch.js';
import {
  type Command,
  type CommandEnvironment,
  findCommand,
  type OutputSink,
  type ProcessHost,
} from './command.js';
import { DISK_COMMANDS, SESSION_COMMANDS } from './command-table.js';
import { CommandFailure } from './outcome.js';
import { qemuText } from './qemu-text.js';
import { splitCommand } from './tokens.js';

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
  /** Of a session's own disk; others can resume what waits in that of a machine. */
  readonly #watch: BreakpointWatch | undefined;

  constructor({ sink, blk, host, program, misalign, imageOptions }: QemuIoSettings) {
    this.#sink = sink;
    this.#program = program;
    this.blk = blk;
    this.host = host;
    this.#watch = host === undefined ? undefined : new BreakpointWatch(this);
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
      if (this.blk !== undefined) await this.#watch?.tell(this.blk);
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
    this.#watch?.note(tag);
  }

  noteResumed(tag: string, requests: number): void {
    this.#watch?.resumed(tag, requests);
  }

  isStuck(): boolean {
    return this.blk !== undefined && this.#watch?.isStuck(this.blk) === true;
  }

  wait<T>(promise: Promise<T>): Promise<T> {
    const { blk } = this;
    if (this.#watch === undefined || blk === undefined) return promise;
    return this.#watch.wait(blk, promise);
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
    // Behind an open tray the request itself will tell.
    if (permissions === undefined || blk?.root === undefined || !blk.info().available) return 0;
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
