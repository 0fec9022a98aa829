import { ChildRole } from '../aio/protocol.js';
import type {
  ChildDefinition,
  DriverDefinition,
  DriverOptions,
  OptionDefinition,
} from '../graph/driver-definition.js';
import { optionsFor } from '../graph/filename.js';
import type { BlockNode } from '../graph/node.js';
import { defaultGrant, isPermissionName, permissionBits } from '../graph/permissions.js';
import { readRules } from './blkdebug-config.js';
import { checkRules, ruleLines, ruleOptions } from './blkdebug-rules.js';

const FILTER = ChildRole.filtered | ChildRole.primary;
const PERMISSIONS = ['consistent-read', 'write', 'write-unchanged', 'resize'];

const LIMITS = [
  'align',
  'max-transfer',
  'opt-write-zero',
  'max-write-zero',
  'opt-discard',
  'max-discard',
];

const limitOptions = LIMITS.map(
  (name): OptionDefinition => ({ name, type: 'integer', strong: true }),
);
const permissionLists = ['take-child-perms', 'unshare-child-perms'].map(
  (name): OptionDefinition => ({ name, type: 'string', list: true, values: PERMISSIONS }),
);

function bitsIn(options: DriverOptions, list: string): number {
  const names = Object.entries(options)
    .filter(([name]) => name.startsWith(`${list}.`))
    .map(([, value]) => value);
  return permissionBits(names.filter(isPermissionName));
}

const image: ChildDefinition = {
  name: 'image',
  required: true,
  role: () => FILTER,
  permissions(parents, state, options) {
    const usual = defaultGrant(FILTER, parents, state);
    return {
      permissions: usual.permissions | bitsIn(options, 'take-child-perms'),
      shared: usual.shared & ~bitsIn(options, 'unshare-child-perms'),
    };
  },
};

/** 'blkdebug:rules.ini:disk.img'; the name of the file of rules may be empty. */
function protocol(filename: string): DriverOptions | undefined {
  const [, config, name] = /^blkdebug:([^:]*):(.+)$/s.exec(filename) ?? [];
  if (name === undefined) return undefined;
  const below = Object.entries(optionsFor(name)).map(([key, value]) => [`image.${key}`, value]);
  return { ...(config ? { config } : {}), ...Object.fromEntries(below) };
}

/** Rules can be in a file, and then its name says them; others have no name. */
function exactFilename(
  node: BlockNode,
  given: readonly string[],
  nameOf: (child: BlockNode) => string,
): string {
  const below = node.storage === undefined ? '' : nameOf(node.storage.child);
  if (below === '' || given.some((name) => name !== 'config')) return '';
  return `blkdebug:${node.options.config ?? ''}:${below}`;
}

/** Rules of the file come before those of the options. */
async function nativeOptions(options: DriverOptions): Promise<DriverOptions> {
  const { config } = options;
  const fromFile = typeof config === 'string' ? ruleLines(await readRules(config)) : [];
  const limits = Object.entries(options).filter(([name]) => LIMITS.includes(name));
  const rules = [...fromFile, ...ruleLines(options)].join('\n');
  return { ...Object.fromEntries(limits), rules };
}

/**
 * Fails and stops requests by rules, and pretends to have limits (block/blkdebug.c); see
 * {@link Blkdebug} for breakpoints.
 */
export const blkdebugDriver: DriverDefinition = {
  name: 'blkdebug',
  options: [
    { name: 'config', type: 'string', strong: true },
    ...ruleOptions,
    ...limitOptions,
    ...permissionLists,
  ],
  reopens: [],
  protocol,
  exactFilename,
  children: [image],
  nativeOptions,
  check: checkRules,
};
