import {
  invalidArgumentType,
  invalidArgumentValue,
  outOfRange,
} from '../errors/argument-errors.js';
import { BlockError, BlockUsageError } from '../errors/block-error.js';
import { failureError } from '../errors/native-failure.js';
import { type Environment, environment } from './environment.js';
import { setupFlagNames, warnAboutFallback } from './host-features.js';
import { type Handle, isFailure, type NativeContextInfo } from './native-binding.js';
import { ContextHome, EngineChoice } from './protocol.js';

/** Where a context runs. */
export type AioHome = 'node' | 'iothread' | 'virtual';

/** Which engine carries out its operations. */
export type AioChoice = 'auto' | 'io_uring' | 'threads';

/** What the simulated device of a virtual context does. Latencies in ns, odds per million. */
export interface SimOptions {
  /** Same seed and same calls: same run. Default 1. */
  readonly seed?: number;
  /** Every operation takes a time drawn between these two. Default 0. */
  readonly minLatency?: number;
  readonly maxLatency?: number;
  /** Operations that fail with `failErrno` and do nothing. */
  readonly failPerMillion?: number;
  /** Positive. Default 5, EIO. */
  readonly failErrno?: number;
  /** Reads and writes that transfer only a part. */
  readonly shortPerMillion?: number;
  /** Writes that fail after a part of them reached the disk. */
  readonly tornPerMillion?: number;
  /** Operations that finish with EAGAIN and do nothing. */
  readonly againPerMillion?: number;
}

/** What {@link AioContext} is made with. */
export interface AioContextOptions {
  /** Default 'iothread'. */
  readonly home?: AioHome;
  /** Default 'auto': io_uring if the host allows it. Meaningless for a virtual home. */
  readonly aio?: AioChoice;
  /** Shown in errors and thread names. */
  readonly name?: string;
  /**
   * IOThread only: nanoseconds for which its thread looks for work, as long as that paid lately, before
   * it sleeps (QAPI: IothreadProperties). At least 0, which is never; default 32768.
   */
  readonly 'poll-max-ns'?: number;
  /**
   * IOThread only: buffered writes that come alone are done by the thread itself, which takes half the
   * time of handing them to another one. While the file system holds one up, because it is frozen or
   * because too much is dirty, all of this IOThread waits for it, so this is for one that serves a single
   * disk. After a write that took longer than a millisecond the next 15 are handed over. The thread engine
   * has workers for all writes, and file systems that write without waiting need none of it. Default false.
   */
  readonly 'write-in-place'?: boolean;
  /** Virtual home only. */
  readonly sim?: SimOptions;
}

/** A frozen snapshot. */
export interface AioContextInfo extends NativeContextInfo {
  readonly name: string;
  readonly home: AioHome;
  readonly flagNames: readonly string[];
}

const HOMES = {
  node: ContextHome.node,
  iothread: ContextHome.ioThread,
  virtual: ContextHome.virtual,
} as const;

let main: AioContext | undefined;
/** Open ones, in order of creation. */
const ioThreads = new Set<AioContext>();
let unnamed = 0;

function checkChoice(name: string, value: string | undefined, choices: object): void {
  if (value === undefined || Object.hasOwn(choices, value)) return;
  throw invalidArgumentValue(name, `one of ${Object.keys(choices).join(', ')}`, value);
}

function checkNanoseconds(name: string, ns: number): void {
  if (!Number.isSafeInteger(ns) || ns < 0) throw outOfRange(name, 'an integer of at least 0', ns);
}

function checkBoolean(name: string, value: boolean | undefined): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw invalidArgumentType(name, 'a boolean', value);
}

function checkOptions(options: AioContextOptions): void {
  const { home, aio, sim, 'poll-max-ns': pollMax, 'write-in-place': inPlace } = options;
  checkChoice('options.home', home, HOMES);
  checkChoice('options.aio', aio, EngineChoice);
  if (sim !== undefined && home !== 'virtual') {
    throw invalidArgumentValue('options.sim', "absent unless home is 'virtual'", sim);
  }
  if (pollMax !== undefined) checkNanoseconds("options['poll-max-ns']", pollMax);
  checkBoolean("options['write-in-place']", inPlace);
  if (home === undefined || home === 'iothread') return;
  for (const name of ['poll-max-ns', 'write-in-place'] as const) {
    if (options[name] === undefined) continue;
    throw invalidArgumentValue(
      `options['${name}']`,
      "absent unless home is 'iothread'",
      options[name],
    );
  }
}

/**
 * An event loop's worth of block layer (QEMU: AioContext): an engine, timers and a ready queue. A
 * graph of nodes lives in one context. Homes: Node's own loop, a native thread (IOThread), or a
 * virtual clock that only {@link AioContext.advance} moves, for deterministic tests.
 *
 * An idle context costs no wake-up and keeps no process alive.
 */
export class AioContext implements AsyncDisposable {
  /** Shown in errors and thread names. */
  readonly name: string;
  /** Where it runs; never changes. */
  readonly home: AioHome;
  readonly #environment: Environment;
  #handle: Handle;

  /**
   * An IOThread unless `home` says otherwise.
   *
   * @throws BlockError when the engine cannot be had (ENOSYS, EPERM, ENOMEM ...).
   */
  constructor(options: AioContextOptions = {}) {
    checkOptions(options);
    this.home = options.home ?? 'iothread';
    unnamed += options.name === undefined ? 1 : 0;
    this.name = options.name ?? `${this.home}${unnamed}`;
    this.#environment = environment();
    const { binding } = this.#environment;
    const engine = options.aio ?? 'auto';
    const created = binding.contextCreate(
      HOMES[this.home],
      EngineChoice[engine],
      this.name,
      options.sim ?? {},
    );
    if (isFailure(created)) throw failureError(created, { operation: 'create context' });
    this.#handle = created;
    if (this.home === 'iothread') ioThreads.add(this);
    if (options['poll-max-ns'] !== undefined) this.setPollMaxNs(options['poll-max-ns']);
    if (options['write-in-place'] === true) binding.contextWriteInPlace(created);
    const report = binding.contextInfo(created);
    if (engine === 'auto' && report.engine === 'threads' && report.errno !== 0) {
      warnAboutFallback(binding, report.reason);
    }
  }

  /** The context on this environment's own loop; made when first asked for, never closed. */
  static get main(): AioContext {
    main ??= new AioContext({ home: 'node', name: 'main' });
    return main;
  }

  /** The open IOThread of this name; of several, the first. (iothread_by_id) */
  static ioThread(name: string): AioContext | undefined {
    return [...ioThreads].find((context) => context.name === name);
  }

  /** The open IOThreads, in order of creation. */
  static ioThreads(): AioContext[] {
    return [...ioThreads];
  }

  /** @internal */
  get handle(): Handle {
    if (this.#handle === 0) throw new BlockUsageError(`the context '${this.name}' is closed`);
    return this.#handle;
  }

  /**
   * Its engine and why it was chosen, and its counters.
   *
   * @throws BlockUsageError once it is closed.
   */
  info(): AioContextInfo {
    const { name, home } = this;
    const native = this.#environment.binding.contextInfo(this.handle);
    const flagNames = Object.freeze(setupFlagNames(native.flags));
    return Object.freeze({ ...native, name, home, flagNames });
  }

  /**
   * IOThread: how long its thread looks for work before it sleeps, from now on, in nanoseconds; 0: never
   * (QAPI: poll-max-ns). Waits for the thread.
   *
   * @throws BlockUsageError on another home. RangeError unless `ns` is an integer of at least 0.
   */
  setPollMaxNs(ns: number): void {
    if (this.home !== 'iothread') throw new BlockUsageError('only an IOThread looks for work');
    checkNanoseconds('ns', ns);
    this.#environment.binding.contextSetPollMax(this.handle, ns);
  }

  /**
   * Virtual home: moves the clock by `ns` nanoseconds, running what becomes due on the way, before
   * it returns. Resolves when the completions were delivered and what follows from them has run.
   *
   * @throws BlockUsageError on another home. RangeError unless `ns` is an integer of at least 0.
   */
  advance(ns: number): Promise<void> {
    if (this.home !== 'virtual') {
      throw new BlockUsageError(`only a virtual context has a clock to advance`);
    }
    checkNanoseconds('ns', ns);
    this.#environment.binding.contextAdvance(this.handle, ns);
    this.#environment.ring.arm();
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }

  /**
   * Ends the context and its thread. Rejects with EBUSY while a node or backend lives in it.
   * Closing twice does nothing.
   */
  async close(): Promise<void> {
    if (this === main) throw new BlockUsageError(`the main context cannot be closed`);
    if (this.#handle === 0) return;
    const result = this.#environment.binding.contextDestroy(this.#handle);
    if (result < 0) {
      const text = `nodes or backends still live in the context '${this.name}'`;
      throw new BlockError(result, { operation: 'close context', text });
    }
    this.#handle = 0;
    ioThreads.delete(this);
  }

  /** Like {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
