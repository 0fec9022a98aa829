// What drives or nodes did (QMP: query-blockstats).

import type { BlockDeviceStats } from '../accounting/block-stats.js';
import { ChildRole } from '../aio/protocol.js';
import type { BlockBackend } from '../block-backend.js';
import type { BlockNode } from '../graph/node.js';
import { skipImplicitFilters } from '../graph/surgery.js';
import { standsOn } from './image-info.js';
import { knownBackends, mediumOf } from './query-block.js';
import { openNodes } from './query-named-block-nodes.js';

/** What the driver of a file counted of its discards (QAPI: BlockStatsSpecificFile). */
export interface BlockStatsSpecific {
  readonly driver: 'file' | 'host_device';
  readonly 'discard-nb-ok': number;
  readonly 'discard-nb-failed': number;
  /** Bytes of those that succeeded. */
  readonly 'discard-bytes-ok': number;
}

/** QAPI: BlockStats. */
export interface BlockStats {
  /** Name of the backend, maybe ''; absent for nodes. */
  readonly device?: string;
  /** Id of the device, else its path. */
  readonly qdev?: string;
  /** Absent for a backend without a medium. */
  readonly 'node-name'?: string;
  /** Requests are accounted by backends: of a node there is only `wr_highest_offset`. */
  readonly stats: BlockDeviceStats;
  readonly 'driver-specific'?: BlockStatsSpecific;
  /** The child that has the data, although it is below. */
  readonly parent?: BlockStats;
  /** What it stands on: what it filters, or its backing file. */
  readonly backing?: BlockStats;
}

/** QMP: query-blockstats. */
export interface BlockStatsOptions {
  /** Nodes instead of backends. Default false. */
  readonly 'query-nodes'?: boolean | undefined;
}

/**
 * Every backend with a name or a device, in order of creation, with all that is below it; or every
 * node. A frozen snapshot. (QMP: query-blockstats)
 */
export function queryBlockstats({
  'query-nodes': queryNodes = false,
}: BlockStatsOptions = {}): BlockStats[] {
  const snapshot = new Snapshot(!queryNodes);
  return queryNodes
    ? openNodes().map((node) => snapshot.ofNode(node))
    : knownBackends().map((blk) => snapshot.ofBackend(blk));
}

/** Nodes are looked at once, in however many places they show: a filter's child shows in two. */
class Snapshot {
  readonly #known = new Map<BlockNode, BlockStats>();
  readonly #ofBackends: boolean;

  /** @param ofBackends leaves out filters that no user put there, and shows what nodes stand on. */
  constructor(ofBackends: boolean) {
    this.#ofBackends = ofBackends;
  }

  ofBackend(blk: BlockBackend): BlockStats {
    const medium = mediumOf(blk);
    const below = medium === undefined ? undefined : this.ofNode(medium);
    const offset = below?.stats.wr_highest_offset ?? 0;
    const qdev = blk.attachedDeviceId;
    return Object.freeze({
      device: blk.name,
      ...(qdev === '' ? {} : { qdev }),
      ...below,
      stats: Object.freeze({ ...blk.stats, wr_highest_offset: offset }),
    });
  }

  ofNode(exact: BlockNode): BlockStats {
    const node = this.#ofBackends ? skipImplicitFilters(exact) : exact;
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    const parent = dataChild(node);
    const base = this.#ofBackends ? standsOn(node) : undefined;
    const found = Object.freeze({
      'node-name': node.name,
      stats: node.stats,
      ...driverSpecific(node),
      ...(parent === undefined ? {} : { parent: this.ofNode(parent) }),
      ...(base === undefined ? {} : { backing: this.ofNode(base) }),
    });
    this.#known.set(node, found);
    return found;
  }
}

function driverSpecific(node: BlockNode): Pick<BlockStats, 'driver-specific'> {
  const driver = node.driver.name;
  if (driver !== 'file' && driver !== 'host_device') return {};
  const { discardOk, discardFailed, discardBytesOk } = node.info();
  return {
    'driver-specific': Object.freeze({
      driver,
      'discard-nb-ok': discardOk,
      'discard-nb-failed': discardFailed,
      'discard-bytes-ok': discardBytesOk,
    }),
  };
}

/** The primary child where it has the data, else the only one that has. */
function dataChild({ storage, children }: BlockNode): BlockNode | undefined {
  const { data, filtered } = ChildRole;
  if (storage !== undefined && (storage.role & (data | filtered)) !== 0) return storage.child;
  const others = children.filter(({ edge }) => (edge.role & data) !== 0);
  return others.length === 1 ? others[0]?.edge.child : undefined;
}
