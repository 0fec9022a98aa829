import type { DrainMember } from './drain.js';
import type { BlockNode } from './node.js';
import { type Grant, NO_GRANT } from './permissions.js';

/** A user of nodes: another node, or the root of a backend. */
export interface GraphParent extends DrainMember {
  /** A backend's name; '' for everybody else. */
  readonly deviceName: string;
  /** For errors: "node 'x'". */
  describe(): string;
  /** Tells native/ what the edge grants now; 0 or a negative errno. */
  applyGrant(edge: Edge, grant: Grant): number;
}

/** A parent's link to a node (QEMU: BdrvChild). */
export class Edge implements Grant {
  readonly parent: GraphParent;
  /** 'root', 'file', 'backing' ... */
  readonly name: string;
  readonly child: BlockNode;
  /** ChildRole bits. */
  readonly role: number;
  permissions = NO_GRANT.permissions;
  shared = NO_GRANT.shared;

  constructor(parent: GraphParent, name: string, child: BlockNode, role: number) {
    this.parent = parent;
    this.name = name;
    this.child = child;
    this.role = role;
  }

  set(grant: Grant): void {
    this.permissions = grant.permissions;
    this.shared = grant.shared;
  }
}
