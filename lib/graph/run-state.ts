// Whether the machine runs, as far as the block layer cares (QAPI: RunState). The VMM owns it.

import { invalidArgumentValue } from '../errors/argument-errors.js';

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

export type RunStateHandler = (state: RunStateName) => void;

export class RunState {
  #state: RunStateName;
  readonly #handlers = new Set<RunStateHandler>();

  /** @throws TypeError for a state that QAPI does not know. */
  constructor(state: RunStateName = 'running') {
    this.#state = checked(state);
  }

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
    for (const handler of [...this.#handlers]) handler(state);
  }

  /** The same handler twice is one. */
  addHandler(handler: RunStateHandler): void {
    this.#handlers.add(handler);
  }

  removeHandler(handler: RunStateHandler): void {
    this.#handlers.delete(handler);
  }
}

function checked(state: RunStateName): RunStateName {
  if (RUN_STATES.includes(state)) return state;
  throw invalidArgumentValue('state', `one of ${RUN_STATES.join(', ')}`, state);
}
