// Names of nodes and devices (named backends): one namespace for both.

import { BlockError, BlockUsageError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';

/** Node names have room for 31 bytes in QEMU's interfaces; device names have no limit. */
const MAX_NODE_NAME = 31;

/** What a name may look like: a letter, then letters, digits, '-', '.', '_'. */
export function isWellFormedName(name: string): boolean {
  return /^[A-Za-z][A-Za-z0-9\-._]*$/.test(name);
}

function nameError(text: string): BlockError {
  return new BlockError(Errno.EINVAL, { operation: 'name', text });
}

/** Maps keep the order in which names were given, which is the order of iteration. */
export class Names<Device, Node> {
  readonly #devices = new Map<string, Device>();
  readonly #nodes = new Map<string, Node | undefined>();
  #generated = 0;

  /** @throws BlockError EINVAL; in this order: shape, a device of that name, a node of that name. */
  checkDevice(name: string): void {
    if (name === '') throw new BlockUsageError('a device name cannot be empty');
    if (!isWellFormedName(name)) throw nameError(`Invalid device name '${name}'`);
    if (this.#devices.has(name)) throw nameError(`a device is named '${name}' already`);
    if (this.#nodes.has(name)) throw nameError(`a node is named '${name}' already`);
  }

  addDevice(name: string, device: Device): void {
    this.checkDevice(name);
    this.#devices.set(name, device);
  }

  removeDevice(name: string): void {
    this.#devices.delete(name);
  }

  device(name: string): Device | undefined {
    return this.#devices.get(name);
  }

  devices(): IterableIterator<Device> {
    return this.#devices.values();
  }

  /**
   * Takes a name for a node that is about to be opened; without a wish, one that users cannot give:
   * '#block', a counter and two random digits.
   */
  reserveNode(wish: string | undefined): string {
    if (wish !== undefined) this.#checkNode(wish);
    const name = wish ?? this.#generate();
    this.#nodes.set(name, undefined);
    return name;
  }

  setNode(name: string, node: Node): void {
    this.#nodes.set(name, node);
  }

  removeNode(name: string): void {
    this.#nodes.delete(name);
  }

  node(name: string): Node | undefined {
    return this.#nodes.get(name);
  }

  #checkNode(name: string): void {
    if (!isWellFormedName(name)) throw nameError(`Invalid node-name: '${name}'`);
    if (this.#devices.has(name)) throw nameError(`node-name '${name}' is the name of a device`);
    if (this.#nodes.has(name)) throw nameError(`a node is named '${name}' already`);
    if (name.length > MAX_NODE_NAME) {
      throw nameError(`node-name '${name}' is longer than ${MAX_NODE_NAME} bytes`);
    }
  }

  #generate(): string {
    const digits = Math.floor(Math.random() * 100);
    const name = `#block${this.#generated}${String(digits).padStart(2, '0')}`;
    this.#generated += 1;
    // "#block1" + "23" and "#block12" + "3.." never meet: the digits are always two.
    return name;
  }
}
