// Files of rules for blkdebug, in the form of QEMU's configuration files:
//
//   # the second read fails
//   [set-state]
//   event = "read_aio"
//   new_state = "2"
//   [inject-error]
//   event = "read_aio"
//   state = "2"

import { createReadStream } from 'node:fs';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { errnoText } from '../errors/errno-names.js';
import type { DriverOptions } from '../graph/driver-definition.js';
import { OptionBag, optionError } from '../graph/option-bag.js';
import { takeOptions } from '../graph/options.js';
import { checkRules, ruleOptions } from './blkdebug-rules.js';

/** Bytes of a file of rules: more is a mistake, such as a device. */
const MOST_BYTES = 1024 ** 2;

function configError(filename: string, text: string, errno: number = Errno.EINVAL): BlockError {
  return new BlockError(errno, { operation: 'open', text: `rules file '${filename}': ${text}` });
}

async function read(filename: string): Promise<string> {
  const parts: Buffer[] = [];
  try {
    // `end` is inclusive: one byte more than allowed, to see that there is one.
    for await (const part of createReadStream(filename, { end: MOST_BYTES })) parts.push(part);
  } catch (cause) {
    const { errno = Errno.EIO } = cause as NodeJS.ErrnoException;
    throw configError(filename, `cannot be read: ${errnoText(errno)}`, errno);
  }
  const bytes = Buffer.concat(parts);
  if (bytes.length > MOST_BYTES) throw configError(filename, `is larger than ${MOST_BYTES} bytes`);
  return bytes.toString('utf8');
}

type Section = Record<string, string>;

/** The sections of each kind, in order; values are text still. */
function parse(filename: string, text: string): Record<string, Section[]> {
  const sections = new Map<string, Section[]>(ruleOptions.map(({ name }) => [name, []]));
  const known = [...sections.keys()].map((name) => `[${name}]`).join(' or ');
  let current: Section | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.trim();
    if (content === '' || content.startsWith('#')) continue;
    const where = `line ${index + 1}`;
    const kind = /^\[\s*([\w-]+)\s*(?:"[^"]*")?\s*\]$/.exec(content)?.[1];
    const [, name, value] = /^([\w-]+)\s*=\s*"([^"]*)"$/.exec(content) ?? [];
    if (kind !== undefined) {
      const list = sections.get(kind);
      if (list === undefined) throw configError(filename, `${where} is not ${known}`);
      current = {};
      list.push(current);
    } else if (name === undefined || value === undefined) {
      throw configError(filename, `${where} is neither a section nor name = "value"`);
    } else if (current === undefined) {
      throw configError(filename, `${where} stands before ${known}`);
    } else if (Object.hasOwn(current, name)) {
      throw configError(filename, `${where} gives '${name}' a second time`);
    } else {
      current[name] = value;
    }
  }
  return Object.fromEntries(sections);
}

/**
 * The rules of a file, as options would have them.
 *
 * @throws (rejects) BlockError EINVAL, or why the file cannot be read.
 */
export async function readRules(filename: string): Promise<DriverOptions> {
  const bag = OptionBag.from(parse(filename, await read(filename)), `${filename}: `);
  const options = takeOptions(bag, ruleOptions, 'blkdebug');
  const unknown = bag.leftover();
  if (unknown !== undefined) throw optionError(unknown, "is unknown to the driver 'blkdebug'");
  const problem = checkRules(options);
  if (problem !== undefined) throw configError(filename, problem);
  return options;
}
