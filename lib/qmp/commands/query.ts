// Queries of drives and nodes.

import { queryBlock } from '../../monitor/query-block.js';
import { xDebugQueryBlockGraph } from '../../monitor/query-block-graph.js';
import { queryBlockstats } from '../../monitor/query-blockstats.js';
import { queryNamedBlockNodes } from '../../monitor/query-named-block-nodes.js';
import { command } from '../command.js';
import { blockDeviceInfo, blockGraph, blockInfo, blockStats } from '../schema/query.js';
import { array, bool, optional } from '../schema/type.js';

export const queryCommands = [
  command(
    'query-block',
    {},
    {
      doc: 'Every drive: a backend with a name or a device, in order of creation.',
      returns: array(blockInfo),
      run: queryBlock,
    },
  ),
  command(
    'query-blockstats',
    { 'query-nodes': optional(bool) },
    {
      doc: 'What every drive did, or with `query-nodes` every node.',
      returns: array(blockStats),
      run: queryBlockstats,
    },
  ),
  command(
    'query-named-block-nodes',
    { flat: optional(bool) },
    {
      doc: 'Every node, newest first; with `flat` without the images that they stand on.',
      returns: array(blockDeviceInfo),
      run: queryNamedBlockNodes,
    },
  ),
  command(
    'x-debug-query-block-graph',
    {},
    {
      doc: 'Nodes and what uses them, with the permissions of every edge.',
      returns: blockGraph,
      run: xDebugQueryBlockGraph,
    },
  ),
];
