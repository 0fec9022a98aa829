// One sentence per kind of failure that native/ reports: what failed, where, what was expected.

import type { NativeFailure } from '../aio/native-binding.js';
import { BlockError, type BlockErrorDetails } from './block-error.js';
import { errnoText } from './errno-names.js';

type Arguments = Readonly<Record<string, string>>;
type Sentence = (args: Arguments, reason: string) => string;

/** Whose lock it is cannot be found out: the other process may be anywhere. */
function lockText(kind: string, permission = '', filename = ''): string {
  const lost = `Failed to get ${kind}"${permission}" lock`;
  return `${lost}: '${filename}' may be in use by another process, or by another node of this one`;
}

const SENTENCES: Readonly<Record<string, Sentence>> = {
  'open-failed': ({ filename }, reason) => `cannot open '${filename}': ${reason}`,
  'direct-unsupported': ({ filename }) =>
    `'${filename}' lies on a file system without O_DIRECT; set cache.direct=off`,
  'is-directory': ({ filename }) => `'${filename}' is a directory; 'file' needs a regular file`,
  'not-regular-file': ({ filename }) =>
    `'file' needs a regular file and '${filename}' is none; for devices use 'host_device'`,
  'not-a-device': ({ filename }) =>
    `'host_device' needs a block or character device and '${filename}' is none; use 'file'`,
  'raw-window-on-scsi-generic': () =>
    "a SCSI generic device takes commands, so 'offset' and 'size' make no sense on it",
  'alignment-unknown': ({ filename }) =>
    `cannot find out which alignment '${filename}' needs under O_DIRECT; set cache.direct=off`,
  'lock-not-held': ({ filename, permission }) => lockText('', permission, filename),
  'lock-not-shared': ({ filename, permission }) => lockText('shared ', permission, filename),
  'lock-failed': ({ filename, byte }, reason) =>
    `cannot lock byte ${byte} of '${filename}': ${reason}`,
  'relock-failed': ({ filename }, reason) =>
    `cannot lock '${filename}' for being reopened: ${reason}`,
  'file-not-writable': ({ filename }) =>
    `'${filename}' is open for reading only until it is reopened for its first writer`,
  'aio-native-needs-direct': () => `aio=native needs cache.direct=on`,
  'aio-io_uring-unavailable': () =>
    `aio=io_uring was asked for, and the engine of this context is 'threads'`,
  'io_uring-unavailable': ({ reason }) => `aio=io_uring was asked for: ${reason}`,
  'cannot-establish-length': (_args, reason) => `cannot find out the length: ${reason}`,
  'latency-negative': (args) => `latency-ns is ${args['latency-ns']}; it must be 0 or more`,
  'option-invalid': ({ option, value }) => `option '${option}' cannot be '${value}'`,
  'planned-failure': (_args, reason) => `it was told to fail: ${reason}`,
  'blkdebug-align': ({ align }) => `align is ${align}; it must be a power of two up to 2^30, or 0`,
  'blkdebug-limit': ({ option, value, unit }) =>
    `${option} is ${value}; it must be a multiple of ${unit}, between 0 and 2^31 - 2`,
  'size-negative': ({ size }) => `size is ${size}; it must be 0 or more`,
  'raw-offset-beyond-file': ({ offset, length }) =>
    `offset is ${offset}; it must be between 0 and the length of the file, ${length}`,
  'raw-size-not-sectors': ({ size }) =>
    `size is ${size}; it must be 0 or a positive multiple of 512`,
  'raw-size-beyond-file': ({ offset, size, length }) =>
    `the window of ${size} bytes at ${offset} ends after the file, which has ${length} bytes`,
  'raw-fixed-size': () => `a raw node with a size option cannot be resized`,
  'log-sector-size': ({ size }) =>
    `the sector size of the log is ${size}; it must be a power of two from 32 to 8388608`,
  'log-super-update-interval': ({ interval }) =>
    `log-super-update-interval is ${interval}; it must be 1 or more`,
  'log-read-failed': (_args, reason) => `cannot read the log: ${reason}`,
  'log-no-magic': () => `the log cannot be continued: it does not begin as a write log`,
  'log-version': ({ version }) => `the log has version ${version}; it must be 1`,
  'log-entry': ({ index }) => `the log cannot be continued: entry ${index} is none`,
  'truncate-negative': () => `the new size must be 0 or more`,
  'truncate-too-large': () => `the new size is beyond 2^63 - 2^30`,
  'truncate-read-only': () => `the node is read-only`,
  'truncate-not-permitted': () => `the backend was opened without the permission to resize`,
  'truncate-backing-length': (_args, reason) =>
    `the length of the backing file cannot be found: ${reason}`,
  'truncate-cannot-zero': ({ driver }) =>
    `the driver '${driver}' cannot make the new area read as zeroes`,
  'truncate-unsupported': ({ driver }) => `the driver '${driver}' cannot resize`,
  'reopen-unsupported': ({ driver }) => `the driver '${driver}' cannot be reopened`,
  'invalidate-failed': (_args, reason) => `cannot be taken over: ${reason}`,
  'driver-unknown': ({ driver }) => `the addon has no driver '${driver}'`,
  'context-closed': () => `the context is closed`,
  'child-closed': () => `a child was closed meanwhile`,
  'child-other-context': () => `a child lives in another context`,
  'engine-unavailable': (_args, reason) => `the engine cannot be started: ${reason}`,
  'environment-start-failed': (_args, reason) => `the event loop cannot be used: ${reason}`,
  'initialize-twice': () => `the addon has an owner already`,
  'create-failed': ({ filename }, reason) => `cannot create '${filename}': ${reason}`,
  'create-unsupported': ({ driver }) => `the driver '${driver}' cannot create images`,
  'delete-failed': ({ filename }, reason) => `cannot delete '${filename}': ${reason}`,
  'delete-unsupported': ({ driver }) => `the driver '${driver}' cannot delete images`,
  'delete-not-regular': ({ filename }) => `'${filename}' is no regular file, or not there`,
  'region-no-memory': () => `there is not enough memory`,
  'external-buffers-forbidden': () => `this build of Node.js forbids memory of its addons`,
  'truncate-failed': ({ filename }, reason) => `cannot resize '${filename}': ${reason}`,
  'preallocation-unsupported': ({ filename }) =>
    `this preallocation mode cannot be used for '${filename}'`,
  'device-cannot-grow': ({ filename }) => `the device '${filename}' cannot grow`,
  'device-fixed-size': ({ filename }) => `the device '${filename}' has a fixed size`,
};

/** The sentence for a failure; a kind without one shows its parts. */
export function failureText({ errno, kind, args }: NativeFailure): string {
  const reason = errnoText(errno);
  const sentence = SENTENCES[kind];
  if (sentence !== undefined) return sentence(args, reason);
  const parts = Object.entries(args).map(([name, value]) => `${name}=${value}`);
  if (kind !== '') parts.unshift(kind);
  return parts.length === 0 ? reason : `${reason} (${parts.join(', ')})`;
}

export function failureError(failure: NativeFailure, details: BlockErrorDetails): BlockError {
  return new BlockError(failure.errno, { ...details, text: failureText(failure) });
}
