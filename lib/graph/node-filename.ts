// Names by which nodes can be opened again, rebuilt from what they are now.

import type { OptionValue } from './driver-definition.js';
import { backingName, JSON_PREFIX } from './filename.js';
import type { BlockNode } from './node.js';

/** What opens the same nodes again, as one object (QEMU: bs->full_open_options). */
export interface FullOptions {
  readonly [name: string]: OptionValue | FullOptions | null;
}

interface Description {
  /** Says all about the node; '' where only options can (QEMU: bs->exact_filename). */
  readonly exact: string;
  readonly options: FullOptions;
  /** The exact one, else 'json:' and the options (QEMU: bs->filename). */
  readonly name: string;
}

/** The options that decide what a node shows, as far as somebody gave them. */
function strongOptions({ driver, state }: BlockNode): [string, OptionValue][] {
  const strong = driver.options.filter((option) => option.strong === true);
  return Object.entries(state.explicit).filter(([name]) =>
    strong.some((option) => name === option.name || name.startsWith(`${option.name}.`)),
  );
}

/** With spaces, as QEMU writes it. */
function jsonText(value: FullOptions[string]): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.entries(value).map(
    ([name, field]) => `${JSON.stringify(name)}: ${jsonText(field)}`,
  );
  return `{${fields.join(', ')}}`;
}

/** Names of nodes as they are in one turn: each is found out once, however many stand on it. */
export class NodeFilenames {
  readonly #known = new Map<BlockNode, Description>();

  /** A plain name where that is enough, else 'json:' and options. (bdrv_refresh_filename) */
  of(node: BlockNode): string {
    return this.#describe(node).name;
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
    return this.#exact(node, false) || this.#json(this.#options(node, false));
  }

  #describe(node: BlockNode): Description {
    const known = this.#known.get(node);
    if (known !== undefined) return known;
    const overridden = this.#isBackingOverridden(node);
    const exact = this.#exact(node, overridden);
    const options = this.#options(node, overridden);
    const found = { exact, options, name: exact || this.#json(options) };
    this.#known.set(node, found);
    return found;
  }

  #json(options: FullOptions): string {
    return JSON_PREFIX + jsonText(options);
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

  #options(node: BlockNode, overridden: boolean): FullOptions {
    const { driver, options, children, backing } = node;
    const { filename } = options;
    const below = children
      .toReversed()
      .filter(({ edge }) => overridden || edge !== backing)
      .map(({ edge }) => [edge.name, this.#describe(edge.child).options]);
    return {
      driver: driver.name,
      ...Object.fromEntries(strongOptions(node)),
      ...(typeof filename === 'string' ? { filename } : {}),
      ...Object.fromEntries(below),
      ...(overridden && backing === undefined ? { backing: null } : {}),
    };
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
