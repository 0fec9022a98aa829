import type { Handle, NativeBinding } from '../aio/native-binding.js';
import { AccountEvent, AccountType } from '../aio/protocol.js';
import {
  invalidArgumentType,
  invalidArgumentValue,
  outOfRange,
} from '../errors/argument-errors.js';

/** As what a request is accounted (QEMU: BlockAcctType). */
export type AccountingType = keyof typeof AccountType;

/** QAPI: OnOffAuto. 'auto' keeps what is set. */
export type OnOffAuto = 'on' | 'off' | 'auto';

/** What a backend accounts beside requests that succeed. (block_acct_setup) */
export interface AccountingSetup {
  /** Invalid requests count as accesses. Default on. */
  readonly 'stats-account-invalid'?: OnOffAuto | undefined;
  /** The time of failed requests counts. Default on. */
  readonly 'stats-account-failed'?: OnOffAuto | undefined;
}

/** What a drive's options say of its statistics. (QEMU: -drive stats-*) */
export interface AccountingSettings extends AccountingSetup {
  /** Lengths, in whole seconds, for which latencies and queue depths lately are kept. */
  readonly 'stats-intervals'?: readonly number[] | undefined;
}

const CHOICES: Readonly<Record<OnOffAuto, boolean | undefined>> = {
  on: true,
  off: false,
  auto: undefined,
};

const MAX_INTERVAL = 2 ** 32 - 1;

export function isAccountingType(value: unknown): value is AccountingType {
  return typeof value === 'string' && Object.hasOwn(AccountType, value);
}

function checkSetup(setup: AccountingSetup): void {
  for (const name of ['stats-account-invalid', 'stats-account-failed'] as const) {
    const value: unknown = setup[name];
    if (value === undefined || (typeof value === 'string' && Object.hasOwn(CHOICES, value))) {
      continue;
    }
    throw invalidArgumentValue(name, "'on', 'off' or 'auto'", value);
  }
}

/** @throws TypeError, RangeError ERR_OUT_OF_RANGE for an interval that is none. */
export function checkAccountingSettings(settings: AccountingSettings): void {
  checkSetup(settings);
  const intervals: unknown = settings['stats-intervals'];
  if (intervals === undefined) return;
  if (!Array.isArray(intervals)) {
    throw invalidArgumentType('stats-intervals', 'an array of seconds', intervals);
  }
  for (const seconds of intervals) {
    if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_INTERVAL) continue;
    throw outOfRange('stats-intervals', 'whole seconds from 1 to 2^32 - 1', seconds);
  }
}

function checkedType(type: AccountingType): number {
  if (isAccountingType(type)) return AccountType[type];
  throw invalidArgumentValue('type', `one of ${Object.keys(AccountType).join(', ')}`, type);
}

function checkedCount(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw outOfRange(name, 'an integer of at least 0', value);
}

/** A request that its owner accounts (QEMU: BlockAcctCookie). */
export class AccountingCookie {
  /** What it was begun as. */
  readonly type: AccountingType;
  /** How long it is, 0 to 2^53 - 1. */
  readonly bytes: number;
  /** @internal ns since the backend was made. */
  readonly start: number;
  /** @internal */
  isOpen = true;

  /** @internal */
  constructor(type: AccountingType, bytes: number, start: number) {
    this.type = type;
    this.bytes = bytes;
    this.start = start;
  }
}

/**
 * The statistics of a backend for owners that merge, split or retry requests, and so know better
 * what a request of their guest was. Requests that are accounted by themselves need none of it.
 * Times are those of the clock of the backend's context.
 */
export class Accounting {
  readonly #binding: NativeBinding;
  readonly #handle: () => Handle;

  /** @internal */
  constructor(binding: NativeBinding, handle: () => Handle) {
    this.#binding = binding;
    this.#handle = handle;
  }

  /** A request of so many bytes begins now. Type 'none' is never accounted. (block_acct_start) */
  start(type: AccountingType, bytes: number): AccountingCookie {
    checkedType(type);
    checkedCount('bytes', bytes);
    return new AccountingCookie(type, bytes, this.#binding.backendAccountTime(this.#handle()));
  }

  /** It succeeded. A second time does nothing, nor does a failure after it. (block_acct_done) */
  done(cookie: AccountingCookie): void {
    this.#end(cookie, AccountEvent.done);
  }

  /** It failed. (block_acct_failed) */
  failed(cookie: AccountingCookie): void {
    this.#end(cookie, AccountEvent.failed);
  }

  /** A request was refused before it started. (block_acct_invalid) */
  invalid(type: AccountingType): void {
    this.#binding.backendAccount(this.#handle(), AccountEvent.invalid, checkedType(type), 0, 0);
  }

  /** So many requests were saved: merging 4 into 1 saves 3. (block_acct_merge_done) */
  merged(type: AccountingType, requests: number): void {
    const count = checkedCount('requests', requests);
    this.#binding.backendAccount(this.#handle(), AccountEvent.merged, checkedType(type), count, 0);
  }

  /** Changes what counts; 'auto' keeps what is set. (block_acct_setup) */
  setup(setup: AccountingSetup): void {
    checkSetup(setup);
    const { 'stats-account-invalid': invalid, 'stats-account-failed': failed } = setup;
    this.#binding.backendAccountSetup(
      this.#handle(),
      CHOICES[invalid ?? 'auto'],
      CHOICES[failed ?? 'auto'],
    );
  }

  /** @internal Of a new backend; the settings were checked. (block_acct_add_interval) */
  begin(settings: AccountingSettings): void {
    this.setup(settings);
    for (const seconds of settings['stats-intervals'] ?? []) {
      this.#binding.backendAddInterval(this.#handle(), seconds);
    }
  }

  /** @internal 0 or a negative errno. */
  setHistogram(type: 'read' | 'write' | 'flush', bounds: readonly number[]): number {
    return this.#binding.backendSetHistogram(this.#handle(), AccountType[type], bounds);
  }

  #end(cookie: AccountingCookie, event: number): void {
    if (!cookie.isOpen) return;
    cookie.isOpen = false;
    const { type, bytes, start } = cookie;
    this.#binding.backendAccount(this.#handle(), event, AccountType[type], bytes, start);
  }
}
