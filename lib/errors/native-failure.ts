// One sentence per kind of failure that native/ reports: what failed, where, what was expected.

import type { NativeFailure } from '../aio/native-binding.js';
import { BlockError, type BlockErrorDetails } from './block-error.js';
import { errnoText } from './errno.js';

type Arguments = Readonly<Record<string, string>>;
type Sentence = (args: Arguments, reason: string) => string;

const SENTENCES: Readonly<Record<string, Sentence>> = {
  'open-failed': ({ filename }, reason) => `cannot open '${filename}': ${reason}`,
  'direct-unsupported': ({ filename }) =>
    `'${filename}' lies on a file system without O_DIRECT; set cache.direct=off`,
  'is-directory': ({ filename }) => `'${filename}' is a directory; 'file' needs a regular file`,
  'not-regular-file': ({ filename }) =>
    `'file' needs a regular file and '${filename}' is none; for devices use 'host_device'`,
  'not-a-device': ({ filename }) =>
    `'host_device' needs a block or character device and '${filename}' is none; use 'file'`,
  'alignment-unknown': ({ filename }) =>
    `cannot find out which alignment '${filename}' needs under O_DIRECT; set cache.direct=off`,
  'aio-native-needs-direct': () => `aio=native needs cache.direct=on`,
  'aio-io_uring-unavailable': () =>
    `aio=io_uring was asked for, and the engine of this context is 'threads'`,
  'io_uring-unavailable': ({ reason }) => `aio=io_uring was asked for: ${reason}`,
  'cannot-establish-length': (_args, reason) => `cannot find out the length: ${reason}`,
  'latency-negative': (args) => `latency-ns is ${args['latency-ns']}; it must be 0 or more`,
  'size-negative': ({ size }) => `size is ${size}; it must be 0 or more`,
  'raw-offset-beyond-file': ({ offset, length }) =>
    `offset is ${offset}; it must be between 0 and the length of the file, ${length}`,
  'raw-size-not-sectors': ({ size }) =>
    `size is ${size}; it must be 0 or a positive multiple of 512`,
  'raw-size-beyond-file': ({ offset, size, length }) =>
    `the window of ${size} bytes at ${offset} ends after the file, which has ${length} bytes`,
  'raw-fixed-size': () => `a raw node with a size option cannot be resized`,
  'truncate-negative': () => `the new size must be 0 or more`,
  'truncate-too-large': () => `the new size is beyond 2^63 - 2^30`,
  'truncate-read-only': () => `the node is read-only`,
  'truncate-not-permitted': () => `the backend was opened without the permission to resize`,
  'truncate-unsupported': ({ driver }) => `the driver '${driver}' cannot resize`,
  'driver-unknown': ({ driver }) => `the addon has no driver '${driver}'`,
  'context-closed': () => `the context is closed`,
  'child-closed': () => `a child was closed meanwhile`,
  'child-other-context': () => `a child lives in another context`,
  'engine-unavailable': (_args, reason) => `the engine cannot be started: ${reason}`,
  'environment-start-failed': (_args, reason) => `the event loop cannot be used: ${reason}`,
  'initialize-twice': () => `the addon has an owner already`,
  'region-no-memory': () => `there is not enough memory`,
  'external-buffers-forbidden': () => `this build of Node.js forbids memory of its addons`,
  'truncate-failed': ({ filename }, reason) => `cannot resize '${filename}': ${reason}`,
  'preallocation-unsupported': ({ filename }) =>
    `this preallocation mode cannot be used to resize '${filename}'`,
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
