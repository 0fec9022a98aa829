// Who waits for its turn, how long others have waited, and what groups still let through.

import { throttle, throttleNodeInfo } from '../drivers/throttle.js';
import { graph } from '../graph/graph.js';
import { BUCKETS, type Bucket } from '../throttle/limits.js';
import { ThrottleGroup, type ThrottleGroupInfo } from '../throttle/throttle-group.js';
import type { ThrottledInfo, ThrottleInfo } from '../throttle/throttle-info.js';
import { labelledBackends } from './backends.js';
import {
  histogramSamples,
  type Labels,
  type MetricFamily,
  type MetricSample,
  seconds,
} from './family.js';

const DIRECTIONS = ['read', 'write'] as const;
type Direction = (typeof DIRECTIONS)[number];

/** A backend or a throttle node that is in a group. */
interface MemberSample {
  readonly labels: Labels;
  readonly info: ThrottleInfo;
  readonly group: ThrottleGroupInfo;
}

export interface ThrottleSample {
  readonly groups: readonly ThrottleGroupInfo[];
  readonly members: readonly MemberSample[];
}

/** Backends are labelled as elsewhere, throttle nodes by their name. */
function labelledInfos(): [Labels, ThrottleInfo][] {
  const backends = labelledBackends()
    .filter(([blk]) => blk.throttleGroup !== undefined)
    .map(([blk, labels]): [Labels, ThrottleInfo] => [labels, blk.throttleInfo()]);
  const nodes = [...graph().nodes]
    .filter(({ driver, isClosed }) => driver === throttle && !isClosed)
    .map((node): [Labels, ThrottleInfo] => [{ node: node.name }, throttleNodeInfo(node)]);
  return [...backends, ...nodes];
}

export function sampleThrottling(): ThrottleSample {
  const groups = ThrottleGroup.all().map((group) => group.info());
  const members = labelledInfos().flatMap(([labels, info]): MemberSample[] => {
    const group = groups.find(({ name }) => name === info.group);
    return group === undefined ? [] : [{ labels: { group: group.name, ...labels }, info, group }];
  });
  return { groups, members };
}

// --- what waits and waited: the same of members and of groups

/** One direction of a member or a group. */
interface Waits {
  readonly labels: Labels;
  readonly waited: ThrottledInfo;
  readonly waiting: number;
  /** In ns; undefined: nothing waits. */
  readonly throttledFor: number | undefined;
}

function waitsOfMember({ labels, info, group }: MemberSample, direction: Direction): Waits {
  const waited = info[direction];
  const { waiting } = waited;
  const throttledFor = waiting > 0 ? group['throttled-for'][direction] : undefined;
  return { labels: { ...labels, direction }, waited, waiting, throttledFor };
}

function waitsOfGroup(group: ThrottleGroupInfo, direction: Direction): Waits {
  return {
    labels: { group: group.name, direction },
    waited: group[direction],
    waiting: group.waiting[direction],
    throttledFor: group['throttled-for'][direction],
  };
}

/**
 * The bounds that are shown, as powers of two of nanoseconds: from 4 us, less than any limit makes
 * a request wait, to 18 minutes. Every second one, as 2 x 47 series for each member are too many.
 */
const EXPONENTS = Array.from({ length: 15 }, (_, index) => 12 + 2 * index);

function waitHistogram({ labels, waited }: Waits): MetricSample[] {
  let from = 0;
  const bins = [...EXPONENTS, waited.bins.length - 1].map((exponent) => {
    const bin = waited.bins.slice(from, exponent + 1).reduce((sum, count) => sum + count, 0);
    from = exponent + 1;
    return bin;
  });
  const bounds = EXPONENTS.map((exponent) => 2 ** exponent);
  return histogramSamples(labels, { bounds, bins, sum: waited['throttled-ns'] });
}

function waitFamilies(prefix: string, whose: string, all: readonly Waits[]): MetricFamily[] {
  return [
    {
      name: `${prefix}_throttled_requests_total`,
      help: `Requests of ${whose} that had to wait.`,
      type: 'counter',
      samples: all.map(({ labels, waited }) => ({ labels, value: waited.throttled })),
    },
    {
      name: `${prefix}_wait_seconds`,
      help: `How long requests of ${whose} waited before they went on.`,
      type: 'histogram',
      samples: all.flatMap(waitHistogram),
    },
    {
      name: `${prefix}_waiting_requests`,
      help: `Requests of ${whose} that wait now.`,
      type: 'gauge',
      samples: all.map(({ labels, waiting }) => ({ labels, value: waiting })),
    },
    {
      name: `${prefix}_throttled_for_seconds`,
      help: `Time until the group lets the next request go; 0 while no request of ${whose} waits.`,
      type: 'gauge',
      samples: all.map(({ labels, throttledFor = 0 }) => ({
        labels,
        value: seconds(throttledFor),
      })),
    },
  ];
}

// --- what groups let through

interface BucketFamily {
  readonly name: string;
  readonly help: string;
  readonly value: (group: ThrottleGroupInfo, bucket: Bucket) => number;
}

/** The unit of their buckets replaces the '*'. */
const BUCKET_FAMILIES: readonly BucketFamily[] = [
  {
    name: 'block_throttle_group_limit_*_per_second',
    help: 'The limit of a bucket.',
    value: ({ limits }, bucket) => limits[bucket],
  },
  {
    name: 'block_throttle_group_level_*',
    help: 'How much of a bucket is used up; it falls as fast as the limit says.',
    value: ({ buckets }, bucket) => buckets[bucket].level,
  },
  {
    name: 'block_throttle_group_burst_level_*',
    help: 'How much of what a burst may do at once is used up; 0 without bursts of over a second.',
    value: ({ buckets }, bucket) => buckets[bucket]['burst-level'],
  },
];

const UNITS = { bps: 'bytes', iops: 'operations' } as const;

/** Of those buckets that limit anything. */
function bucketFamily(
  { name, help, value }: BucketFamily,
  prefix: keyof typeof UNITS,
  groups: readonly ThrottleGroupInfo[],
): MetricFamily {
  const buckets = BUCKETS.filter((bucket) => bucket.startsWith(`${prefix}-`));
  return {
    name: name.replace('*', UNITS[prefix]),
    help,
    type: 'gauge',
    samples: groups.flatMap((group) =>
      buckets
        .filter((bucket) => group.limits[bucket] > 0)
        .map((bucket) => ({
          labels: { group: group.name, bucket: bucket.slice(prefix.length + 1) },
          value: value(group, bucket),
        })),
    ),
  };
}

function membersFamily(groups: readonly ThrottleGroupInfo[]): MetricFamily {
  return {
    name: 'block_throttle_group_members',
    help: 'Backends and throttle nodes that share the limits of a group.',
    type: 'gauge',
    samples: groups.map(({ name, members }) => ({ labels: { group: name }, value: members })),
  };
}

export function throttleFamilies({ groups, members }: ThrottleSample): MetricFamily[] {
  const ofMembers = members.flatMap((member) =>
    DIRECTIONS.map((direction) => waitsOfMember(member, direction)),
  );
  const ofGroups = groups.flatMap((group) =>
    DIRECTIONS.map((direction) => waitsOfGroup(group, direction)),
  );
  return [
    ...waitFamilies('block_throttle_member', 'a member', ofMembers),
    ...waitFamilies('block_throttle_group', 'the members of a group', ofGroups),
    membersFamily(groups),
    ...BUCKET_FAMILIES.flatMap((family) =>
      (['bps', 'iops'] as const).map((prefix) => bucketFamily(family, prefix, groups)),
    ),
  ];
}
