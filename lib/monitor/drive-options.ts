// Drives by the options of QEMU's command line (-drive).

import type { BackendSettings } from '../backend/settings.js';
import type { BlockBackend } from '../block-backend.js';
import { createDrive, type DriveOptions } from '../drive.js';
import { OptionsError } from '../options/comma-list.js';
import { CACHE_MODE_NAMES, type CacheMode, parseCacheMode } from '../options/open-words.js';
import { parseQemuOpts } from '../options/qemu-opts.js';
import { sizeOf } from '../options/size.js';

interface Drive {
  readonly options: DriveOptions;
  readonly settings: BackendSettings;
  /** The guest sees a write cache. */
  readonly writeback: boolean;
}

/** Options that go to the medium as they are. */
const PASSED =
  /^(discard|detect-zeroes|auto-read-only|force-share|node-name|file\..+|offset|size)$/;
const THROTTLING = 'throttling.';
const INTERVALS = /^stats-intervals\.\d+$/;

class DriveReader {
  readonly #given: Map<string, string>;

  constructor(text: string) {
    this.#given = parseQemuOpts(text);
  }

  read(): Drive {
    const kind = this.#take('if') ?? 'none';
    if (kind !== 'none') throw this.#error(`there is only if=none here, not '${kind}'`);
    const cache = this.#cache();
    const media = this.#take('media') ?? 'disk';
    if (media !== 'disk' && media !== 'cdrom') throw this.#error("'media' must be disk or cdrom");
    const readOnly = this.#switch('read-only') ?? this.#switch('readonly') ?? media === 'cdrom';
    const drive = {
      options: {
        ...this.#medium(),
        ...this.#passed(),
        'read-only': readOnly,
        cache: { direct: cache.direct, 'no-flush': cache.noFlush },
        'copy-on-read': this.#switch('copy-on-read') ?? false,
        throttling: this.#throttling(),
      },
      settings: this.#settings(),
      writeback: !cache.writethrough,
    };
    for (const name of this.#given.keys()) throw this.#error(`'${name}' is no option of a drive`);
    return drive;
  }

  #medium(): Record<string, string> {
    const filename = this.#take('file');
    const driver = this.#take('format') ?? this.#take('driver');
    const aio = this.#take('aio');
    return {
      ...(filename ? { filename } : {}),
      ...(driver === undefined ? {} : { driver }),
      ...(aio === undefined ? {} : { 'file.aio': aio }),
    };
  }

  #passed(): Record<string, string | number> {
    const names = [...this.#given.keys()].filter((name) => PASSED.test(name));
    return Object.fromEntries(names.map((name) => [name, this.#take(name) as string]));
  }

  #cache(): CacheMode {
    const mode = parseCacheMode(this.#take('cache') ?? 'writeback');
    if (mode === undefined) {
      throw this.#error(`'cache' must be one of ${CACHE_MODE_NAMES.join(', ')}`);
    }
    const writeback = this.#switch('cache.writeback') ?? !mode.writethrough;
    return {
      writethrough: !writeback,
      direct: this.#switch('cache.direct') ?? mode.direct,
      noFlush: this.#switch('cache.no-flush') ?? mode.noFlush,
    };
  }

  #throttling(): Record<string, string | number> {
    const names = [...this.#given.keys()].filter((name) => name.startsWith(THROTTLING));
    return Object.fromEntries(
      names.map((name) => {
        const short = name.slice(THROTTLING.length);
        return [short, short === 'group' ? (this.#take(name) as string) : this.#number(name)];
      }),
    );
  }

  #settings(): BackendSettings {
    const intervals = [...this.#given.keys()].filter((name) => INTERVALS.test(name));
    const policies = Object.fromEntries(
      (['rerror', 'werror'] as const)
        .map((name) => [name, this.#take(name)])
        .filter(([, value]) => value !== undefined),
    );
    return {
      ...policies,
      // What a device will want, it asks for when it is attached.
      permissions: ['consistent-read'],
      accountRequests: true,
      name: this.#take('id'),
      'stats-account-invalid': this.#onOff('stats-account-invalid'),
      'stats-account-failed': this.#onOff('stats-account-failed'),
      'stats-intervals': intervals.map((name) => this.#number(name)),
    };
  }

  #take(name: string): string | undefined {
    const value = this.#given.get(name);
    this.#given.delete(name);
    return value;
  }

  #switch(name: string): boolean | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (value === 'on') return true;
    if (value === 'off') return false;
    throw this.#error(`'${name}' must be on or off, not '${value}'`);
  }

  #onOff(name: string): 'on' | 'off' | undefined {
    const value = this.#switch(name);
    if (value === undefined) return undefined;
    return value ? 'on' : 'off';
  }

  #number(name: string): number {
    const value = sizeOf(this.#take(name) ?? '');
    if (value !== undefined) return value;
    throw this.#error(`'${name}' must be a number`);
  }

  #error(text: string): Error {
    return new OptionsError(text);
  }
}

/**
 * Makes the drive that the options say: 'id=drive0,file=disk.img,format=raw'. Its requests are
 * accounted.
 *
 * @throws (rejects) OptionsError for options that are none, and as {@link createDrive}.
 */
export async function addDrive(text: string): Promise<BlockBackend> {
  const { options, settings, writeback } = new DriveReader(text).read();
  const blk = await createDrive(options, settings);
  blk.writeCache = writeback;
  return blk;
}
