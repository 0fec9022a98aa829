import type { AioContext } from '../aio/context.js';
import type { BlockError } from '../errors/block-error.js';
import type { DrainMember } from './drain.js';
import type { GraphChange } from './graph-lock.js';
import type { BlockNode } from './node.js';
import { type Grant, NO_GRANT } from './permissions.js';

/** Who asks for a move to another context, and what was asked already. */
export interface MoveQuestion {
  readonly to: AioContext;
  /** Moves by its own wish, so it is not asked (CTX-5). */
  readonly initiator: GraphParent | undefined;
}

/** A user of nodes: another node, the root of a backend, or a job. */
export interface GraphParent extends DrainMember {
  /** QAPI's XDbgBlockGraphNodeType. */
  readonly kind: 'block-driver' | 'block-backend' | 'block-job';
  /** A backend's name; '' for everybody else. */
  readonly deviceName: string;
  readonly context: AioContext;
  /** Stays with its node when the parents of that node are led elsewhere (GRAPH-19). */
  readonly stayPut?: boolean;
  /** It was put where it is, and its nodes stay with it when others leave (CTX-16). */
  readonly pinsContext: boolean;
  /** For errors: "node 'x'". */
  describe(): string;
  /** What the edge is to hold; a node's edges are planned with the node (childGrant). */
  wantedGrant(edge: Edge): Grant;
  /** Tells native/ where the edge leads and what it grants now; 0 or a negative errno. */
  mirror(edge: Edge): number;
  /** Tells native/ that the edge is gone; 0 or a negative errno. */
  mirrorRemoved(edge: Edge): number;
  /** Who counts the sections that come through the edge; without it the parent, each once. */
  drainMember?(edge: Edge): DrainMember;
  /** The graph below has changed. */
  graphChanged(): void;
  /** Why it cannot follow its nodes into another context (CTX-4). */
  refusesMove(question: MoveQuestion): string | undefined;
  /** native/ has moved it. */
  moved(to: AioContext): void;
  /** Before and after the move; foreign code. */
  contextDetach?(): void;
  contextAttached?(to: AioContext): void;
  /** Why it must keep its permissions when everybody gives them up (INACT-7). */
  refusesInactivation?(): BlockError | undefined;
  /** Takes again what it gave up. */
  activate?(edge: Edge, change: GraphChange): Promise<void>;
}

/** A parent's link to a node (QEMU: BdrvChild). */
export class Edge implements Grant {
  readonly parent: GraphParent;
  /** 'root', 'file', 'backing' ... */
  readonly name: string;
  /** Names the edge natively, among those of its parent. */
  readonly key: number;
  /** Changed by transactions only. */
  child: BlockNode;
  /** ChildRole bits; changed by transactions only. */
  role: number;
  permissions = NO_GRANT.permissions;
  shared = NO_GRANT.shared;
  /** Permissions for as long as an operation needs them, beside what the role asks for. */
  extra = 0;
  /** Who froze it: the edge must stay where it is (GRAPH-24). */
  frozen = 0;

  constructor(parent: GraphParent, name: string, child: BlockNode, role: number, key = 0) {
    this.parent = parent;
    this.name = name;
    this.key = key;
    this.child = child;
    this.role = role;
  }

  set(grant: Grant): void {
    this.permissions = grant.permissions;
    this.shared = grant.shared;
  }
}
