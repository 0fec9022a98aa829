// What a drawing of the graph consists of, whatever the format: boxes, arrows and their words.

import type { GraphDump, GraphDumpEdge, GraphDumpNode, GraphDumpParent } from '../dump.js';
import type { PermissionName } from '../permissions.js';

export interface DrawnBox {
  readonly key: string;
  /** Nodes carry requests; everybody else only sends them. */
  readonly isNode: boolean;
  readonly title: string;
  readonly details: readonly string[];
}

export interface DrawnArrow {
  readonly from: string;
  readonly to: string;
  readonly title: string;
  readonly details: readonly string[];
}

export interface Drawing {
  readonly boxes: readonly DrawnBox[];
  readonly arrows: readonly DrawnArrow[];
}

const ALL: readonly PermissionName[] = ['consistent-read', 'write', 'write-unchanged', 'resize'];

/**
 * File names and ids may contain anything: escape sequences for terminals, changes of the writing
 * direction, halves of characters that no file format can hold.
 */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}

function needText(names: readonly PermissionName[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ');
}

/** Nearly everything is shared nearly always, so what is missing says more. */
function sharingText(names: readonly PermissionName[]): string {
  const missing = ALL.filter((name) => !names.includes(name));
  if (names.length === 0) return 'nothing';
  return missing.length === 0 ? 'all' : `all but ${missing.join(', ')}`;
}

function place(context: string, quiesceCount: number): string {
  return `context ${context}, quiesce count ${quiesceCount}`;
}

function nodeBox(node: GraphDumpNode): DrawnBox {
  const { name, driver, context, inactive, owners = [], options, quiesceCount } = node;
  const words = [driver, node['read-only'] ? 'read-only' : 'read-write'];
  if (inactive) words.push('inactive');
  const details = [words.join(', '), place(context, quiesceCount)];
  if (owners.length > 0) details.push(`owned by ${owners.join(', ')}`);
  for (const [option, value] of Object.entries(options)) details.push(`${option}=${value}`);
  return { key: nodeKey(name), isNode: true, title: name, details };
}

function nodeKey(name: string): string {
  return `node ${name}`;
}

function parentKey({ type, id, name }: GraphDumpParent): string {
  return type === 'node' ? nodeKey(name) : `${type} ${id ?? name}`;
}

function backendTitle(id: number | undefined, name: string): string {
  return `block-backend ${name === '' ? `#${id}` : name}`;
}

/** The end of an arrow that the dump does not list: a job, or a node that is just being closed. */
function otherBox({ type, name, id }: GraphDumpParent, key: string): DrawnBox {
  const titles = { node: name, job: `job ${name}`, other: name };
  const title = type === 'block-backend' ? backendTitle(id, name) : titles[type];
  return { key, isNode: type === 'node', title, details: [] };
}

function arrowOf(edge: GraphDumpEdge): DrawnArrow {
  const { parent, name, role, child, permissions, shared, frozen } = edge;
  const words = frozen ? [...role, 'frozen'] : role;
  return {
    from: parentKey(parent),
    to: nodeKey(child),
    title: words.length === 0 ? name : `${name} (${words.join(', ')})`,
    details: [`holds ${needText(permissions)}`, `shares ${sharingText(shared)}`],
  };
}

function cleaned<T extends DrawnBox | DrawnArrow>(item: T): T {
  return { ...item, title: printable(item.title), details: item.details.map(printable) };
}

/** Whoever sends requests comes first, so that drawings begin at the top. */
export function drawingOf({ nodes, backends, edges }: GraphDump): Drawing {
  const boxes = new Map<string, DrawnBox>();
  for (const { id, name, context, quiesceCount, permissions, shared } of backends) {
    const key = parentKey({ type: 'block-backend', id, name });
    const details = [
      place(context, quiesceCount),
      `asked for ${needText(permissions)}`,
      `asked to share ${sharingText(shared)}`,
    ];
    boxes.set(key, { key, isNode: false, title: backendTitle(id, name), details });
  }
  const listed = new Map(nodes.map((node) => [nodeKey(node.name), nodeBox(node)]));
  for (const { parent, child } of edges) {
    const ends: GraphDumpParent[] = [parent, { type: 'node', name: child }];
    for (const end of ends) {
      const key = parentKey(end);
      if (!boxes.has(key) && !listed.has(key)) boxes.set(key, otherBox(end, key));
    }
  }
  for (const [key, box] of listed) boxes.set(key, box);
  return { boxes: [...boxes.values()].map(cleaned), arrows: edges.map(arrowOf).map(cleaned) };
}
