// The rules of a blkdebug node: what they can say, how files say it, how native/ is told.

import type { DriverOptions, OptionDefinition, OptionValue } from '../graph/driver-definition.js';

/**
 * Steps of requests (QAPI: BlkdebugEvent). Those of image formats that are not there never come.
 */
export const BLKDEBUG_EVENTS = [
  'l1_update',
  'l1_grow_alloc_table',
  'l1_grow_write_table',
  'l1_grow_activate_table',
  'l2_load',
  'l2_update',
  'l2_update_compressed',
  'l2_alloc_cow_read',
  'l2_alloc_write',
  'read_aio',
  'read_backing_aio',
  'read_compressed',
  'write_aio',
  'write_compressed',
  'vmstate_load',
  'vmstate_save',
  'cow_read',
  'cow_write',
  'reftable_load',
  'reftable_grow',
  'reftable_update',
  'refblock_load',
  'refblock_update',
  'refblock_update_part',
  'refblock_alloc',
  'refblock_alloc_hookup',
  'refblock_alloc_write',
  'refblock_alloc_write_blocks',
  'refblock_alloc_write_table',
  'refblock_alloc_switch_table',
  'cluster_alloc',
  'cluster_alloc_bytes',
  'cluster_free',
  'flush_to_os',
  'flush_to_disk',
  'pwritev_rmw_head',
  'pwritev_rmw_after_head',
  'pwritev_rmw_tail',
  'pwritev_rmw_after_tail',
  'pwritev',
  'pwritev_zero',
  'pwritev_done',
  'empty_image_prepare',
  'l1_shrink_write_table',
  'l1_shrink_free_l2_clusters',
  'cor_write',
  'cluster_alloc_space',
  'none',
] as const;

/** A step of a request (QAPI: BlkdebugEvent). */
export type BlkdebugEvent = (typeof BLKDEBUG_EVENTS)[number];

/** Bits of native IoType (QAPI: BlkdebugIOType). */
const IO_TYPES: Readonly<Record<string, number>> = {
  read: 1,
  write: 2,
  'write-zeroes': 4,
  discard: 8,
  flush: 16,
  'block-status': 32,
};
/** Without `iotype`: all but block-status. */
const USUAL_TYPES = 31;

const EIO = 5;
const MAX_ERRNO = 4095;
const MAX_STATE = 2 ** 31 - 1;

const event: OptionDefinition = {
  name: 'event',
  type: 'string',
  required: true,
  values: BLKDEBUG_EVENTS,
};
const state: OptionDefinition = { name: 'state', type: 'integer', default: 0 };

/** The two lists of rules (QAPI: BlkdebugInjectErrorOptions, BlkdebugSetStateOptions). */
export const ruleOptions: readonly OptionDefinition[] = [
  {
    name: 'inject-error',
    type: 'string',
    strong: true,
    list: [
      event,
      state,
      { name: 'iotype', type: 'string', values: Object.keys(IO_TYPES) },
      { name: 'errno', type: 'integer', default: EIO },
      { name: 'sector', type: 'integer', default: -1 },
      { name: 'once', type: 'boolean', default: false },
      { name: 'immediately', type: 'boolean', default: false },
    ],
  },
  {
    name: 'set-state',
    type: 'string',
    strong: true,
    list: [event, state, { name: 'new_state', type: 'integer', required: true }],
  },
];

/** Inclusive, by the last part of the name. */
const RANGES: Readonly<Record<string, readonly [least: number, most: number]>> = {
  state: [0, MAX_STATE],
  new_state: [1, MAX_STATE],
  errno: [0, MAX_ERRNO],
  sector: [-1, Number.MAX_SAFE_INTEGER],
};

/** A sentence about a number that is out of its range. */
export function checkRules(options: DriverOptions): string | undefined {
  for (const [name, value] of Object.entries(options)) {
    const field = /^(?:inject-error|set-state)\.\d+\.(\w+)$/.exec(name)?.[1] ?? '';
    const [least, most] = RANGES[field] ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    if (typeof value === 'number' && (value < least || value > most)) {
      return `'${name}' is ${value}; it must be between ${least} and ${most}`;
    }
  }
  return undefined;
}

type Rule = Readonly<Record<string, OptionValue>>;

/** The elements of a list, in order. */
function rulesOf(options: DriverOptions, list: string): Rule[] {
  const rules = new Map<number, Record<string, OptionValue>>();
  for (const [name, value] of Object.entries(options)) {
    const [, group, index, field] = /^([\w-]+)\.(\d+)\.(\w+)$/.exec(name) ?? [];
    if (group !== list || field === undefined) continue;
    const rule = rules.get(Number(index)) ?? {};
    rules.set(Number(index), { ...rule, [field]: value });
  }
  return [...rules].sort(([a], [b]) => a - b).map(([, rule]) => rule);
}

function injectionLine(rule: Rule): string {
  const types = IO_TYPES[String(rule.iotype)] ?? USUAL_TYPES;
  const flags = [rule.once, rule.immediately].map(Number);
  return ['inject-error', rule.event, rule.state, types, rule.errno, rule.sector, ...flags].join(
    ' ',
  );
}

function transitionLine(rule: Rule): string {
  return ['set-state', rule.event, rule.state, rule.new_state].join(' ');
}

/** The rules as native/ reads them: one a line (BlkdebugRules::parse). */
export function ruleLines(options: DriverOptions): string[] {
  return [
    ...rulesOf(options, 'inject-error').map(injectionLine),
    ...rulesOf(options, 'set-state').map(transitionLine),
  ];
}
