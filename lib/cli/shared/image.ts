// What IMAGE on the command line means.
import { statSync } from 'node:fs';
import type { BlockdevOptions } from '../../graph/options.js';
import { usageError } from './cli-error.js';

const JSON_PREFIX = 'json:';

export interface ImageSettings {
  readonly readOnly: boolean;
  /** Bypass the page cache. */
  readonly direct?: boolean | undefined;
  /** Use only so many bytes from the start. */
  readonly size?: number | undefined;
}

function parseJson(text: string): BlockdevOptions {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw usageError(`what follows 'json:' is no JSON: ${(error as Error).message}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw usageError(`what follows 'json:' must be an object such as {"driver": "null-co"}`);
  }
  return parsed as BlockdevOptions;
}

/** Devices need another driver than files; whatever else is wrong, opening will tell. */
function protocolDriver(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isBlockDevice() || stat?.isCharacterDevice() ? 'host_device' : 'file';
}

function withoutUndefined(options: Record<string, unknown>): BlockdevOptions {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as BlockdevOptions;
}

/**
 * The options of a path, always raw, since a guess at the format could be made to open other files;
 * or those after 'json:', in a window if only a part is to be used.
 */
export function imageOptions(image: string, settings: ImageSettings): BlockdevOptions {
  const { readOnly, direct, size } = settings;
  const common = { driver: 'raw', 'read-only': readOnly, size };
  if (!image.startsWith(JSON_PREFIX)) {
    const cache = { direct: direct === true };
    const file = { driver: protocolDriver(image), filename: image };
    return withoutUndefined({ ...common, cache, file });
  }
  if (direct) throw usageError(`with json: write "cache": {"direct": true} instead of --direct`);
  const options = { ...parseJson(image.slice(JSON_PREFIX.length)), 'read-only': readOnly };
  return size === undefined ? options : withoutUndefined({ ...common, file: options });
}

/** Whether writing to it destroys nothing. */
export function isNullDevice(image: string): boolean {
  if (!image.startsWith(JSON_PREFIX)) return false;
  const { driver } = parseJson(image.slice(JSON_PREFIX.length));
  return driver === 'null-co' || driver === 'null-aio';
}
