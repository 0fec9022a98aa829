// What a command is, and what it sees of its surroundings.

import type { BlockBackend } from '../block-backend.js';
import type { PermissionName } from '../graph/permissions.js';
import type { AioRequests } from './aio-requests.js';

/** Where a line of output goes. Lines have no newline at their end. */
export interface OutputSink {
  /** What qemu-io writes to its standard output. */
  out(line: string): void;
  /** What it writes to its standard error. */
  err(line: string): void;
}

/** What only a process of its own can do; a machine's monitor cannot. */
export interface ProcessHost {
  /** The end, by SIGABRT. */
  abort(): Promise<never>;
  /** To this process itself. */
  raise(signal: number): Promise<void>;
}

export interface CommandEnvironment extends OutputSink {
  /** The open disk. */
  blk: BlockBackend | undefined;
  /** Requests that were started and not waited for. */
  readonly requests: AioRequests;
  readonly commands: readonly Command[];
  readonly host: ProcessHost | undefined;
  /** Memory of requests begins 16 bytes behind an aligned address. */
  readonly misalign: boolean;
  /** Names of disks are lists of options. */
  readonly imageOptions: boolean;
  /** No further command is to run. */
  hasQuit: boolean;
  /** An error, with the name of the program before it where there is one. */
  complain(text: string): void;
  /** What should be done otherwise; the first line gets a word before it. */
  warn(lines: readonly string[]): void;
  /**
   * Waits for a request or several. Where nobody else could let requests go on that wait at
   * breakpoints, it does so itself, and complains.
   */
  wait<T>(promise: Promise<T>): Promise<T>;
  /** Remembers breakpoints of this tag. */
  noteBreakpoint(tag: string): void;
  /** So many requests are about to go on that waited under it. */
  noteResumed(tag: string, requests: number): void;
  /** Nothing is under way but what waits at breakpoints, and nobody else could change that. */
  isStuck(): boolean;
}

export interface Command {
  readonly name: string;
  readonly alias?: string;
  /** As help and complaints show them. */
  readonly parameters?: string;
  /** One line of help. */
  readonly summary: string;
  /** More lines of help. */
  readonly help?: readonly string[];
  /** How many words may follow. Default 0. */
  readonly least?: number;
  /** Default: as `least`. */
  readonly most?: number;
  /** It runs without a disk. */
  readonly needsNoDisk?: boolean;
  /** What the backend must be allowed, beside what it is already. */
  readonly permissions?: readonly PermissionName[];
  /** 0, or a negative errno when it failed. Outcome and reason are said by then. */
  run(io: CommandEnvironment, argv: readonly string[]): number | Promise<number>;
}

/** A command that runs only with a disk open. */
export interface DiskCommand extends Omit<Command, 'run' | 'needsNoDisk'> {
  run(io: CommandEnvironment, argv: readonly string[], blk: BlockBackend): number | Promise<number>;
}

export function diskCommand(command: DiskCommand): Command {
  return {
    ...command,
    // The interpreter has seen to it that there is one.
    run: (io, argv) => command.run(io, argv, io.blk as BlockBackend),
  };
}

/** By its name, or by the other one that it may have. */
export function findCommand(commands: readonly Command[], called: string): Command | undefined {
  return commands.find(({ name, alias }) => name === called || alias === called);
}

/** How a command is used: what is said when it was not. */
export function usageLine({ name, parameters, summary }: Command | DiskCommand): string {
  return `${name} ${parameters ?? '(null)'} -- ${summary}`;
}
