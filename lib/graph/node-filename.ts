// Names by which nodes can be opened again, rebuilt from what they are now.

import type { OptionValue } from './driver-definition.js';
import { backingName, JSON_PREFIX } from './filename.js';
import type { BlockNode } from './node.js';

/** In characters. Longer ones end in '...' and open nothing; QEMU has room for as many bytes. */
const LONGEST_NAME = 4095;
const CUT = '...';

interface Description {
  /** Says all about the node; '' where only options can (QEMU: bs->exact_filename). */
  readonly exact: string;
  /** Options that open the same nodes again, as JSON (QEMU: bs->full_open_options). */
  readonly json: string;
}

/** The options that decide what a node shows, as far as somebody gave them. */
function strongOptions({ driver, state }: BlockNode): [string, OptionValue][] {
  const strong = driver.options.filter((option) => option.strong === true);
  return Object.entries(state.explicit).filter(([name]) =>
    strong.some((option) => name === option.name || name.startsWith(`${option.name}.`)),
  );
}

/**
 * With spaces, as QEMU writes it. Values are JSON already. What is beyond any name is left out: a node
 * that shows in two places of each of those above it would make their names grow without bounds.
 */
function objectText(fields: readonly (readonly [name: string, json: string])[]): string {
  const text = `{${fields.map(([name, json]) => `${JSON.stringify(name)}: ${json}`).join(', ')}}`;
  return text.slice(0, LONGEST_NAME + 1);
}

function jsonName(json: string): string {
  const name = JSON_PREFIX + json;
  return name.length > LONGEST_NAME ? name.slice(0, LONGEST_NAME - CUT.length) + CUT : name;
}

/** Names of nodes as they are in one turn: each is found out once, however many stand on it. */
export class NodeFilenames {
  readonly #known = new Map<BlockNode, Description>();

  /** A plain name where that is enough, else 'json:' and options. (bdrv_refresh_filename) */
  of(node: BlockNode): string {
    const { exact, json } = this.#describe(node);
    return exact || jsonName(json);
  }

  /** The plain name, or ''. */
  exact(node: BlockNode): string {
    return this.#describe(node).exact;
  }

  /**
   * Where the image finds its backing file by itself; '' when its header names none.
   *
   * @throws BlockError EINVAL for a relative name where the image has no folder.
   */
  namedBacking(node: BlockNode): string {
    const name = node.driver.backingFilename?.(node) ?? '';
    return name === '' ? '' : backingName(this.own(node), name);
  }

  /** As {@link of}, whatever backing file the node has. */
  own(node: BlockNode): string {
    return this.#exact(node, false) || jsonName(this.#json(node, false));
  }

  #describe(node: BlockNode): Description {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    const overridden = this.#isBackingOverridden(node);
    const exact = this.#exact(node, overridden);
    const fits = exact.length <= LONGEST_NAME;
    const found = { exact: fits ? exact : '', json: this.#json(node, overridden) };
    this.#known.set(node, found);
    return found;
  }

  /** The image alone would be opened with another backing file. (bdrv_backing_overridden) */
  #isBackingOverridden(node: BlockNode): boolean {
    const backing = node.backing?.child;
    try {
      return this.namedBacking(node) !== (backing === undefined ? '' : this.of(backing));
    } catch {
      return true; // a name that means nothing here
    }
  }

  #json(node: BlockNode, overridden: boolean): string {
    const { driver, options, children, backing } = node;
    const { filename } = options;
    const own: [string, OptionValue | null][] = [['driver', driver.name], ...strongOptions(node)];
    if (typeof filename === 'string') own.push(['filename', filename]);
    if (overridden && backing === undefined) own.push(['backing', null]);
    const below = children
      .toReversed()
      .filter(({ edge }) => overridden || edge !== backing)
      .map(({ edge }) => [edge.name, this.#describe(edge.child).json] as const);
    return objectText([
      ...own.map(([name, value]) => [name, JSON.stringify(value)] as const),
      ...below,
    ]);
  }

  #exact(node: BlockNode, overridden: boolean): string {
    const { driver, options, storage } = node;
    const given = strongOptions(node).map(([name]) => name);
    if (driver.exactFilename !== undefined) {
      return driver.exactFilename(node, given, (child) => this.exact(child));
    }
    if (storage === undefined) {
      return typeof options.filename === 'string' ? options.filename : '';
    }
    // A plain name opens a protocol and guesses the format; filters have to be asked for.
    const isPlain = !node.isFilter && storage.child.driver.protocol !== undefined;
    return isPlain && !overridden && given.length === 0 ? this.exact(storage.child) : '';
  }
}

/** The name under which a node can be opened again with all that is below it. */
export function filenameOf(node: BlockNode): string {
  return new NodeFilenames().of(node);
}
