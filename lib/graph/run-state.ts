// Whether the machine runs, as far as the block layer cares (QAPI: RunState). The VMM owns it.

import { invalidArgumentValue } from '../errors/argument-errors.js';
import { emitBlockEvent } from './block-events.js';
import { callForeign } from './notifiers.js';

const RUN_STATES = [
  'debug',
  'inmigrate',
  'internal-error',
  'io-error',
  'paused',
  'postmigrate',
  'prelaunch',
  'finish-migrate',
  'restore-vm',
  'running',
  'save-vm',
  'shutdown',
  'suspended',
  'watchdog',
  'guest-panicked',
  'colo',
] as const;

/** QAPI: RunState. */
export type RunStateName = (typeof RUN_STATES)[number];

/** Hears of every state that is set, on the JavaScript thread. */
export type RunStateHandler = (state: RunStateName) => void;

/** What stopping a machine ends with: everything is drained and flushed. Given by index.ts. */
let quiesceMachine: () => Promise<void> = () => Promise.resolve();

/** @internal */
export function useMachineQuiesce(quiesce: () => Promise<void>): void {
  quiesceMachine = quiesce;
}

/**
 * Whether the machine runs: a VMM sets it, and pauses its processors when it changes. (QEMU:
 * runstate.c)
 */
export class RunState {
  #state: RunStateName;
  /** A stop that was asked for and not carried out yet. */
  #requested: RunStateName | undefined;
  #requesting = 0;
  /** The stop or start that goes on, and those behind it. */
  #changing: Promise<void> | undefined;
  readonly #handlers = new Set<RunStateHandler>();

  /** In that state. @throws TypeError for a state that QAPI does not know. */
  constructor(state: RunStateName = 'running') {
    this.#state = checked(state);
  }

  /** What QMP would say. */
  get state(): RunStateName {
    return this.#state;
  }

  /** The guest is coming from elsewhere: its images belong to another process still. */
  get isIncoming(): boolean {
    return this.#state === 'inmigrate';
  }

  /** Tells every handler, in the order of their registration, even when nothing changes. */
  set(state: RunStateName): void {
    this.#state = checked(state);
    for (const handler of [...this.#handlers]) callForeign(() => handler(state), undefined);
  }

  /** Its state is 'running'. */
  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /**
   * Stops the machine in a later turn of the loop; of several requests the last one tells the state.
   * (qemu_system_vmstop_request)
   *
   * @param tell runs before: who hears of it there and wants to continue waits for the request.
   */
  requestStop(state: RunStateName, tell: () => void = () => {}): void {
    checked(state);
    this.#requesting += 1;
    try {
      tell();
    } finally {
      this.#requesting -= 1;
      if (this.#requested === undefined) setImmediate(() => this.#carryOut());
      this.#requested = state;
    }
  }

  /**
   * Stops the machine: tells the handlers, sends STOP, then drains and flushes everything. Of a
   * machine that does not run only the latter. Stops and starts run one after the other. (vm_stop)
   *
   * @throws (rejects) BlockError: the first flush that failed; all were tried.
   */
  async stop(state: RunStateName = 'paused'): Promise<void> {
    checked(state);
    await this.#inTurn(() => this.#stop(state));
  }

  /**
   * Lets the machine run. If it still runs and a stop was asked for, it goes on, and STOP and RESUME
   * tell that (ERR-9). (vm_start)
   */
  async start(): Promise<void> {
    // Called from within requestStop(), which has ended in the next microtask.
    if (this.#requesting > 0) await Promise.resolve();
    await this.#inTurn(() => this.#start());
  }

  async #stop(state: RunStateName): Promise<void> {
    if (this.isRunning) {
      this.set(state);
      emitBlockEvent('STOP');
    }
    await quiesceMachine();
  }

  async #start(): Promise<void> {
    const requested = this.#takeRequest();
    if (this.isRunning && requested === undefined) return;
    if (this.isRunning) emitBlockEvent('STOP');
    emitBlockEvent('RESUME');
    if (!this.isRunning) this.set('running');
  }

  #carryOut(): void {
    this.#inTurn(async () => {
      const requested = this.#takeRequest();
      if (requested !== undefined) await this.#stop(requested);
    }).catch((error: unknown) => {
      process.emitWarning(`not all is flushed: ${String(error)}`, 'BlockBackendWarning');
    });
  }

  #takeRequest(): RunStateName | undefined {
    const requested = this.#requested;
    this.#requested = undefined;
    return requested;
  }

  /** At once if nothing is going on, otherwise after it, once who asked for that knows. */
  async #inTurn(change: () => Promise<void>): Promise<void> {
    const before = this.#changing;
    const changed = before === undefined ? change() : before.then(nextTurn).then(change);
    const settled = changed.catch(() => {});
    this.#changing = settled;
    try {
      await changed;
    } finally {
      if (this.#changing === settled) this.#changing = undefined;
    }
  }

  /** The same handler twice is one. */
  addHandler(handler: RunStateHandler): void {
    this.#handlers.add(handler);
  }

  /** It hears nothing more. */
  removeHandler(handler: RunStateHandler): void {
    this.#handlers.delete(handler);
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function checked(state: RunStateName): RunStateName {
  if (RUN_STATES.includes(state)) return state;
  throw invalidArgumentValue('state', `one of ${RUN_STATES.join(', ')}`, state);
}
