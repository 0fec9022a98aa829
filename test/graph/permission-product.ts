// The product behind the interface of the permission walk.
import {
  BlockBackend,
  type BlockdevOptions,
  type BlockError,
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  graphDump,
  type PermissionName,
  replaceNode,
} from '../../lib/index.js';
import type { Operation } from './permission-operations.js';
import { namesOfBits, type OracleChild, type OracleNode, Role } from './permission-oracle.js';
import type { WalkAdapter, WalkDump } from './permission-walk.js';

const SIZE = 1 << 20;
const WINDOW = 65536;
const ALIGNMENT = 4096;

type Options = Record<string, string | number | boolean>;

const names = (bits: number): PermissionName[] => namesOfBits(bits) as PermissionName[];

function rolesOf({ role }: OracleChild): string {
  return Object.entries(Role)
    .filter(([, bit]) => (role & bit) !== 0)
    .map(([name]) => name)
    .join();
}

function probeOptions(node: OracleNode): Options {
  const options: Options = { driver: 'x-probe', size: node.aligned === false ? SIZE + 512 : SIZE };
  if (node.aligned === false) options['request-alignment'] = ALIGNMENT;
  for (const child of node.children) {
    options[`roles.${child.name}`] = rolesOf(child);
    if (child.take) options[`take.${child.name}`] = namesOfBits(child.take).join();
    if (child.unshare) options[`unshare.${child.name}`] = namesOfBits(child.unshare).join();
  }
  return options;
}

function optionsOf(node: OracleNode): Options {
  const window = { driver: 'raw', offset: 0, size: WINDOW };
  const own = { raw: { driver: 'raw' }, 'raw-window': window }[node.kind as string];
  const options: Options = { ...(own ?? probeOptions(node)), 'node-name': node.name };
  for (const { name, node: child } of node.children) options[name] = child;
  return options;
}

export class PermissionProduct implements WalkAdapter {
  readonly #options = new Map<string, Options>();
  readonly #users = new Map<string, BlockBackend>();

  async apply(operation: Operation): Promise<'ok' | { code: string }> {
    try {
      await this.#do(operation);
      return 'ok';
    } catch (error) {
      return { code: (error as BlockError).code ?? String(error) };
    }
  }

  dump(): WalkDump & Record<string, unknown> {
    const { nodes, backends, edges } = graphDump();
    return { nodes, backends: backends.map((backend) => ({ ...backend, id: 0 })), edges };
  }

  async #do(operation: Operation): Promise<void> {
    switch (operation.type) {
      case 'open':
        return this.#open(operation.node);
      case 'close':
        this.#options.delete(operation.node);
        return blockdevDel(operation.node);
      case 'attach':
        return this.#attach(operation.user);
      case 'set-permissions': {
        const { user, permissions, shared } = operation;
        return this.#user(user).setPermissions(names(permissions), names(shared));
      }
      case 'detach':
        await this.#user(operation.user).close();
        this.#users.delete(operation.user);
        return undefined;
      case 'insert':
        return this.#insert(operation.node, operation.above);
      case 'replace':
        return replaceNode(operation.from, operation.to);
      case 'set-read-only':
        return this.#setReadOnly(operation.node, operation.readOnly);
    }
  }

  async #open(node: OracleNode): Promise<void> {
    const options = optionsOf(node);
    const forced = node.forceShare === true ? { 'force-share': true, 'read-only': true } : {};
    this.#options.set(node.name, { ...options, ...forced });
    await blockdevAdd({ ...options, ...forced } as unknown as BlockdevOptions);
    // What was opened read-only could never be made writable.
    if (node.readOnly && !node.forceShare) await this.#setReadOnly(node.name, true);
  }

  async #attach({
    name,
    node,
    permissions,
    shared,
  }: Extract<Operation, { type: 'attach' }>['user']) {
    const wants = { permissions: names(permissions), shared: names(shared) };
    const blk = new BlockBackend({ name, ...wants });
    try {
      await blk.insert(node);
      this.#users.set(name, blk);
    } catch (error) {
      await blk.close();
      throw error;
    }
  }

  async #insert(node: OracleNode, above: string): Promise<void> {
    await this.#open(node);
    try {
      await replaceNode(above, node.name);
    } catch (error) {
      await blockdevDel(node.name);
      throw error;
    }
  }

  async #setReadOnly(name: string, readOnly: boolean): Promise<void> {
    const options = { ...this.#options.get(name), 'read-only': readOnly };
    // Edges may lead elsewhere by now than where they were opened to.
    for (const { parent, name: edge, child } of graphDump().edges) {
      if (parent.type === 'node' && parent.name === name) (options as Options)[edge] = child;
    }
    await blockdevReopen([options as unknown as BlockdevOptions]);
  }

  #user(name: string): BlockBackend {
    return this.#users.get(name) as BlockBackend;
  }
}
