// Says what is different. It knows neither side's code, only what they left and what they answered.
import { readFileSync, statSync } from 'node:fs';
import { runTool } from './tools.mjs';

/** A file system's list of a file's extents, in units of 512 bytes: a more scattered file needs it. */
const EXTENT_LIST = 8;

export class Difference extends Error {}

function describe({ kind, offset, bytes, size, ...rest }) {
  const details = Object.entries(rest)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name, value]) => ` ${name}=${value}`)
    .join('');
  return kind === 'truncate' ? `truncate ${size}` : `${kind} ${offset}+${bytes}${details}`;
}

/** The same code, and the same bytes where there are any, for every request. */
export function compareOutcomes(requests, ours, theirs, first = 0) {
  for (const [index, request] of requests.entries()) {
    const [own, other] = [ours[index], theirs[index]];
    const where = `request ${first + index} (${describe(request)})`;
    if (own.code !== other.code) {
      throw new Difference(`${where} ended with ${own.code} here and ${other.code} in qemu-io`);
    }
    if (own.data !== undefined && !own.data.equals(other.data)) {
      const at = own.data.findIndex((byte, position) => byte !== other.data[position]);
      throw new Difference(
        `${where} read other bytes than qemu-io, from ${request.offset + at} on`,
      );
    }
  }
}

/** Clean pages of the cache can look like data where the disk has none. */
function dropPages(filename) {
  const args = [`of=${filename}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'];
  runTool('dd', [...args, 'status=none']);
}

/** Byte by byte, and as qemu-img sees it. */
export function compareFiles(ours, theirs) {
  const [own, other] = [readFileSync(ours), readFileSync(theirs)];
  if (own.length !== other.length) {
    throw new Difference(`our file has ${own.length} bytes, the other ${other.length}`);
  }
  if (!own.equals(other)) {
    const at = own.findIndex((byte, position) => byte !== other[position]);
    throw new Difference(`the files differ from byte ${at} on`);
  }
  for (const filename of [ours, theirs]) dropPages(filename);
  try {
    const args = ['compare', '-s', '-f', 'raw', '-F', 'raw', ours, theirs];
    runTool('qemu-img', args);
  } catch (error) {
    throw new Difference(`qemu-img compare -s: ${error.stdout}${error.stderr}`);
  }
}

/** Neighbours that are alike are one. */
function merged(map) {
  const result = [];
  for (const entry of map) {
    const last = result.at(-1);
    const joins =
      last !== undefined &&
      ['present', 'zero', 'data'].every((name) => last[name] === entry[name]) &&
      last.offset + last.length === entry.offset;
    if (joins) last.length += entry.length;
    else result.push({ ...entry });
  }
  return result;
}

const mapText = (map) =>
  merged(map)
    .map(({ start, length, present, zero, data, offset }) =>
      [start, length, present ? 'present' : 'absent', zero && 'zero', data && 'data', offset]
        .filter((part) => part !== false)
        .join(' '),
    )
    .join('\n');

/** qemu-img's map of the file. */
export function qemuMap(filename) {
  const args = ['map', '--output=json', '-f', 'raw', filename];
  return JSON.parse(runTool('qemu-img', args));
}

/** Our map of the file says what qemu-img's does. */
export function compareMaps(filename, ours, theirs = qemuMap(filename)) {
  const [own, other] = [mapText(ours), mapText(theirs)];
  if (own !== other) {
    throw new Difference(`the maps of ${filename} differ:\n${own}\n--- qemu-img:\n${other}`);
  }
}

/**
 * The same for a map that can be taken again: where pages of an unwritten extent are cached the kernel
 * says that there is data, so the map changes when it drops them between the two looks, for want of
 * memory or because somebody asked for it.
 */
export async function compareMapsQuietly(filename, takeOurs) {
  const [ours, theirs] = [await takeOurs(), qemuMap(filename)];
  if (mapText(ours) === mapText(theirs)) return;
  dropPages(filename);
  compareMaps(filename, await takeOurs());
}

/** Both sides have allocated the same: the same ways to zero and discard were taken. */
export function compareAllocation(ours, theirs) {
  for (const filename of [ours, theirs]) dropPages(filename);
  const [own, other] = [mapText(qemuMap(ours)), mapText(qemuMap(theirs))];
  if (own !== other) {
    throw new Difference(`the twins are allocated differently:\n${own}\n--- qemu-io's:\n${other}`);
  }
  const [ownBlocks, otherBlocks] = [statSync(ours).blocks, statSync(theirs).blocks];
  if (Math.abs(ownBlocks - otherBlocks) > EXTENT_LIST) {
    throw new Difference(`our file takes ${ownBlocks} blocks, the other ${otherBlocks}`);
  }
}
