// What the human monitor says of drives and nodes (HMP: info block).

import type { BlockDeviceInfo } from '../block-device-info.js';
import type { ImageInfo } from '../image-info.js';
import { type BlockInfo, queryBlock } from '../query-block.js';
import { queryNamedBlockNodes } from '../query-named-block-nodes.js';
import { sizeText } from './size-text.js';

/** The command's own options. */
export interface InfoBlockOptions {
  /** `-n`: nodes instead of drives. Default false. */
  readonly nodes?: boolean | undefined;
  /** `-v`: their images, too. Default false. */
  readonly verbose?: boolean | undefined;
  /** The drive of this name, or else the node. Default: all. */
  readonly device?: string | undefined;
}

/** Drives or nodes, as one of them is shown. */
interface Entry {
  readonly name: string;
  readonly info?: BlockInfo;
  readonly medium?: BlockDeviceInfo | undefined;
}

/** The text ends with a newline; it is empty where there is nothing to say of. (HMP: info block) */
export async function infoBlock(options: InfoBlockOptions = {}): Promise<string> {
  const { nodes = false, device } = options;
  const drives = nodes ? '' : listText(await drivesOf(), options);
  if (drives !== '' || (device === undefined && !nodes)) return drives;
  return listText(await nodesOf(), options);
}

async function drivesOf(): Promise<Entry[]> {
  const drives = await queryBlock();
  return drives.map((info) => ({ name: info.device, info, medium: info.inserted }));
}

async function nodesOf(): Promise<Entry[]> {
  const nodes = await queryNamedBlockNodes();
  return nodes.map((medium) => ({ name: medium['node-name'], medium }));
}

/**
 * An empty line stands before each that is not the first of all, be those before it shown or not.
 */
function listText(entries: readonly Entry[], { device, verbose }: InfoBlockOptions): string {
  return entries
    .map((entry, index) => ({ entry, separator: index === 0 ? '' : '\n' }))
    .filter(({ entry }) => device === undefined || entry.name === device)
    .map(({ entry, separator }) => separator + entryText(entry, verbose === true))
    .join('');
}

function entryText({ info, medium }: Entry, verbose: boolean): string {
  const lines = [
    titleLine(info, medium),
    ...(info === undefined ? [] : deviceLines(info)),
    ...(medium === undefined ? [] : mediumLines(medium)),
    ...(verbose && medium !== undefined ? ['', 'Images:', ...imageLines(medium.image)] : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function titleLine(info?: BlockInfo, medium?: BlockDeviceInfo): string {
  const name = nameText(info, medium?.['node-name']);
  if (medium === undefined) return `${name}: [not inserted]`;
  const { file, drv, ro } = medium;
  return `${name}: ${file} (${drv}${ro ? ', read-only' : ''})`;
}

function nameText(info?: BlockInfo, nodeName?: string): string {
  if (info === undefined || info.device === '') return nodeName ?? info?.qdev ?? '<anonymous>';
  return nodeName === undefined ? info.device : `${info.device} (${nodeName})`;
}

function line(label: string, text: string): string {
  return `    ${`${label}:`.padEnd(18)}${text}`;
}

function deviceLines(info: BlockInfo): string[] {
  const { qdev, removable, locked, tray_open: trayOpen = false, 'io-status': status = 'ok' } = info;
  const lock = locked ? 'locked' : 'not locked';
  const tray = trayOpen ? 'open' : 'closed';
  return [
    ...(qdev === undefined ? [] : [line('Attached to', qdev)]),
    ...(status === 'ok' ? [] : [line('I/O status', status)]),
    ...(removable ? [line('Removable device', `${lock}, tray ${tray}`)] : []),
  ];
}

function mediumLines(medium: BlockDeviceInfo): string[] {
  const { backing_file: backing, backing_file_depth: depth, detect_zeroes: zeroes } = medium;
  return [
    line('Cache mode', cacheText(medium.cache)),
    ...(backing === undefined ? [] : [line('Backing file', `${backing} (chain depth: ${depth})`)]),
    ...(zeroes === 'off' ? [] : [line('Detect zeroes', zeroes)]),
    ...throttlingLines(medium),
  ];
}

function cacheText({ writeback, direct, 'no-flush': noFlush }: BlockDeviceInfo['cache']): string {
  return [
    writeback ? 'writeback' : 'writethrough',
    ...(direct ? ['direct'] : []),
    ...(noFlush ? ['ignore flushes'] : []),
  ].join(', ');
}

function throttlingLines(medium: BlockDeviceInfo): string[] {
  const { bps, bps_rd, bps_wr, iops, iops_rd, iops_wr, iops_size = 0, group } = medium;
  const limits = [bps, bps_rd, bps_wr, iops, iops_rd, iops_wr];
  if (limits.every((limit) => limit === 0)) return [];
  const { bps_max = 0, bps_rd_max = 0, bps_wr_max = 0 } = medium;
  const { iops_max = 0, iops_rd_max = 0, iops_wr_max = 0 } = medium;
  const fields = {
    ...{ bps, bps_rd, bps_wr, bps_max, bps_rd_max, bps_wr_max },
    ...{ iops, iops_rd, iops_wr, iops_max, iops_rd_max, iops_wr_max },
    ...{ iops_size, group },
  };
  const text = Object.entries(fields).map(([name, value]) => `${name}=${value}`);
  return [line('I/O throttling', text.join(' '))];
}

/** Of one image after the other, from above to below, as `qemu-img info` has them. */
function imageLines(image: ImageInfo): string[] {
  const { 'virtual-size': size, 'actual-size': occupied, 'cluster-size': cluster } = image;
  const below = image['backing-image'];
  return [
    `image: ${image.filename}`,
    `file format: ${image.format}`,
    `virtual size: ${sizeText(size)} (${size} bytes)`,
    `disk size: ${occupied === undefined ? 'unavailable' : sizeText(occupied)}`,
    ...(cluster === undefined ? [] : [`cluster_size: ${cluster}`]),
    ...(image['dirty-flag'] === true ? ['cleanly shut down: no'] : []),
    ...backingLines(image),
    ...(below === undefined ? [] : imageLines(below)),
  ];
}

function backingLines(image: ImageInfo): string[] {
  const { 'backing-filename': name, 'full-backing-filename': full } = image;
  if (name === undefined) return [];
  const path = full === undefined || full === name ? '' : ` (actual path: ${full})`;
  return [`backing file: ${name}${path}`];
}
