// The oracle against tables that were written by hand from the catalogue. What these titles name is
// shown for the oracle, not for the product: they do not begin with it.
import { defaultGrant } from '../../lib/graph/permissions.js';
import { expectationOf, type Operation } from './permission-operations.js';
import {
  bitsOfNames,
  edgeKey,
  evaluate,
  namesOfBits,
  type OracleGraph,
  type OracleNode,
  type OracleUser,
  type Pair,
  Perm,
  Role,
} from './permission-oracle.js';

const { CR, W, WU, RZ, ALL } = Perm;
const FILTERED = Role.filtered | Role.primary;
const DATA = Role.data | Role.primary;
const METADATA = Role.data | Role.metadata | Role.primary;

function leaf(name: string, more: Partial<OracleNode> = {}): OracleNode {
  return { name, kind: 'protocol', children: [], ...more };
}

function raw(name: string, node: string, more: Partial<OracleNode> = {}): OracleNode {
  return { name, kind: 'raw', children: [{ name: 'file', node, role: FILTERED }], ...more };
}

function window(name: string, node: string, more: Partial<OracleNode> = {}): OracleNode {
  return { name, kind: 'raw-window', children: [{ name: 'file', node, role: DATA }], ...more };
}

/** Like qcow2: metadata and data in `file`, perhaps over `backing`. */
function format(
  name: string,
  file: string,
  backing?: string,
  more: Partial<OracleNode> = {},
): OracleNode {
  const children = [{ name: 'file', node: file, role: METADATA }];
  if (backing !== undefined) children.push({ name: 'backing', node: backing, role: Role.cow });
  return { name, kind: 'probe', children, ...more };
}

function user(name: string, node: string, permissions: number, shared: number = ALL): OracleUser {
  return { name, node, permissions, shared };
}

function held(graph: OracleGraph, parent: string, edge: string): Pair | undefined {
  const { edges, consistent, reason } = evaluate(graph);
  expect({ consistent, reason }).toEqual({ consistent: true });
  return edges.get(edgeKey(parent, edge));
}

function rules(graph: OracleGraph): string[] {
  return [...new Set(evaluate(graph).violations.map(({ rule, node }) => `${rule} ${node}`))];
}

function outcome(graph: OracleGraph, operation: Operation): string {
  return expectationOf(graph, operation).outcome;
}

describe('permission oracle: who may be where', () => {
  const nodes = [leaf('disk')];
  const strict = user('a', 'disk', CR | W, ALL & ~W);

  test.each([
    ['W', user('b', 'disk', W), ['PERM-4 disk']],
    ['CR', user('b', 'disk', CR), []],
    ['CR, not sharing W', user('b', 'disk', CR, ALL & ~W), ['PERM-4 disk']],
  ])('permission oracle, PERM-5: beside an exclusive writer, one who wants %s', (_, b, broken) => {
    expect(rules({ nodes, users: [strict, b] })).toEqual(broken);
    expect(rules({ nodes, users: [b, strict] })).toEqual(broken);
  });

  test('permission oracle, PERM-4: the reason names both edges and the bits', () => {
    const { consistent, reason } = evaluate({ nodes, users: [strict, user('b', 'disk', W | RZ)] });
    expect(consistent).toBe(false);
    expect(reason).toBe('PERM-4, disk: b/root needs write, which a/root does not share');
  });

  test.each([
    ['W', W, { readOnly: true }, ['PERM-7 disk']],
    ['WU', WU, { readOnly: true }, ['PERM-7 disk']],
    ['W', W, { inactive: true }, ['PERM-7 disk']],
    ['CR|RZ', CR | RZ, { readOnly: true }, []],
    ['W', W, { aligned: false }, ['PERM-8 disk']],
    ['WU', WU, { aligned: false }, ['PERM-8 disk']],
    ['W|RZ', W | RZ, { aligned: false }, []],
    ['CR', CR, { aligned: false }, []],
    ['CR', CR, { forceShare: true }, ['PERM-15 disk']],
  ])('permission oracle, PERM-7, 8, 15: %s (%i) of a node that is %j', (_, perm, state, broken) => {
    expect(rules({ nodes: [leaf('disk', state)], users: [user('a', 'disk', perm)] })).toEqual(
      broken,
    );
  });

  test('permission oracle, PERM-8: whatever passes everything on is as long as its child', () => {
    const all = [leaf('disk', { aligned: false }), raw('top', 'disk'), window('part', 'disk')];
    const broken = ['PERM-8 disk', 'PERM-8 top'];
    expect(rules({ nodes: all, users: [user('a', 'top', W)] })).toEqual(broken);
    // Its window's own length is fine; the file's is not.
    const own = [all[0] as OracleNode, window('part', 'disk', { aligned: true })];
    expect(rules({ nodes: own, users: [user('a', 'part', W)] })).toEqual(['PERM-8 disk']);
  });

  test('permission oracle, INACT-8: who only remembers a pair holds nothing', () => {
    const disabled = { ...user('b', 'disk', W, 0), disabled: true };
    expect(held({ nodes, users: [strict, disabled] }, 'b', 'root')).toEqual({
      perm: 0,
      shared: ALL,
    });
  });
});

describe('permission oracle: what edges hold', () => {
  const writer = user('a', 'top', CR | W);

  test('permission oracle, PERM-16: raw', () => {
    const graph = { nodes: [leaf('disk'), raw('top', 'disk')], users: [writer] };
    expect(held(graph, 'top', 'file')).toEqual({ perm: CR | W, shared: ALL });
  });

  test('permission oracle, PERM-16: raw with an offset or a size', () => {
    const graph = { nodes: [leaf('disk'), window('top', 'disk')], users: [writer] };
    expect(held(graph, 'top', 'file')).toEqual({ perm: CR | W, shared: CR | W | WU });
  });

  test('permission oracle, PERM-16: qcow2', () => {
    const graph = { nodes: [leaf('disk'), format('top', 'disk')], users: [writer] };
    expect(held(graph, 'top', 'file')).toEqual({ perm: CR | W | RZ, shared: CR | WU });
  });

  test.each([
    ['read-only', true, CR],
    ['writable', false, CR | W | RZ],
  ])('permission oracle, PERM-16: a qcow2 overlay on a %s one', (_, readOnly, perm) => {
    const base = format('base', 'old', undefined, { readOnly });
    const nodes = [leaf('old'), leaf('new'), base, format('top', 'new', 'base')];
    const graph = { nodes, users: [writer] };
    expect(held(graph, 'top', 'backing')).toEqual({ perm: CR, shared: ALL });
    expect(held(graph, 'base', 'file')).toEqual({ perm, shared: CR | WU });
  });

  test('permission oracle, PERM-17: what nobody uses holds nothing', () => {
    const nodes = [leaf('disk'), raw('top', 'disk'), leaf('other'), format('image', 'other')];
    expect(held({ nodes, users: [] }, 'top', 'file')).toEqual({ perm: 0, shared: ALL });
    expect(held({ nodes, users: [] }, 'image', 'file')).toEqual({ perm: 0, shared: ALL });
  });

  test('permission oracle, PERM-6: a child gets the sum of all users', () => {
    const users = [user('a', 'top', CR, ALL & ~RZ), user('b', 'top', W, ALL & ~WU)];
    const graph = { nodes: [leaf('disk'), raw('top', 'disk')], users };
    expect(held(graph, 'top', 'file')).toEqual({ perm: CR | W, shared: CR | W });
  });

  test.each([
    [0, ALL, 0, ALL],
    [W, ALL & ~W, 0, CR | WU],
    [CR | WU, 0, CR, CR | WU],
    [CR, W, CR, ALL],
  ])('permission oracle, PERM-11: backing below %i, %i', (need, share, perm, shared) => {
    const top: OracleNode = {
      name: 'top',
      kind: 'probe',
      children: [{ name: 'backing', node: 'disk', role: Role.cow }],
    };
    const graph = { nodes: [leaf('disk'), top], users: [user('a', 'top', need, share)] };
    expect(held(graph, 'top', 'backing')).toEqual({ perm, shared });
  });

  test.each([
    ['WU', WU, W | WU | RZ],
    ['W', W, W | RZ],
    ['CR|RZ', CR | RZ, CR | RZ],
  ])('permission oracle, PERM-13: data below %s', (_, need, perm) => {
    const top: OracleNode = {
      name: 'top',
      kind: 'probe',
      children: [{ name: 'file', node: 'disk', role: DATA }],
    };
    const graph = { nodes: [leaf('disk'), top], users: [user('a', 'top', need)] };
    expect(held(graph, 'top', 'file')).toEqual({ perm, shared: ALL & ~RZ });
  });

  test('permission oracle, PERM-12: a format opened without reading reads nothing', () => {
    const top = format('top', 'disk', undefined, { noIo: true, readOnly: true });
    const graph = { nodes: [leaf('disk'), top], users: [user('a', 'top', 0)] };
    expect(held(graph, 'top', 'file')).toEqual({ perm: 0, shared: CR | WU });
  });

  test('permission oracle, PERM-14: an inactive parent shares W and RZ', () => {
    const top = format('top', 'disk', 'base', { inactive: true });
    const nodes = [leaf('disk'), leaf('base'), top];
    const graph = { nodes, users: [user('a', 'top', CR, CR)] };
    expect(held(graph, 'top', 'file')).toEqual({ perm: CR, shared: CR | W | RZ });
    expect(held(graph, 'top', 'backing')).toEqual({ perm: CR, shared: ALL });
    const filter = { nodes: [leaf('disk'), raw('f', 'disk', { inactive: true })] };
    expect(held({ ...filter, users: [user('a', 'f', CR, CR)] }, 'f', 'file')).toEqual({
      perm: CR,
      shared: CR,
    });
  });

  test('permission oracle, PERM-15: a child that is shared by force', () => {
    const nodes = [leaf('disk', { readOnly: true, forceShare: true }), raw('top', 'disk')];
    const graph = { nodes, users: [user('a', 'top', CR, 0), user('b', 'disk', CR, CR)] };
    expect(held(graph, 'top', 'file')).toEqual({ perm: CR, shared: ALL });
    expect(held(graph, 'b', 'root')).toEqual({ perm: CR, shared: CR });
  });

  test('permission oracle: drivers may take more and share less', () => {
    const children = [{ name: 'file', node: 'disk', role: FILTERED, take: RZ, unshare: WU }];
    const nodes = [leaf('disk'), { name: 'top', kind: 'probe' as const, children }];
    const graph = { nodes, users: [user('a', 'top', CR)] };
    expect(held(graph, 'top', 'file')).toEqual({ perm: CR | RZ, shared: ALL & ~WU });
  });
});

describe('permission oracle: changes', () => {
  /** Two branches over a common base; the exclusive writer is on one of them. */
  const nodes = [
    leaf('base'),
    raw('branch1', 'base'),
    raw('branch2', 'base'),
    raw('switch', 'branch1'),
  ];
  const exclusive = user('a', 'switch', CR | W, ALL & ~W);

  test.each([
    ['branch1', 'branch2'],
    ['branch2', 'branch1'],
  ])('permission oracle, PERM-18: an exclusive writer moves from %s to %s', (from, to) => {
    const chosen = nodes.map((node) => (node.name === 'switch' ? raw('switch', from) : node));
    const graph = { nodes: chosen, users: [exclusive] };
    expect(held(graph, from, 'file')).toEqual({ perm: CR | W, shared: ALL & ~W });
    const { outcome: how, after } = expectationOf(graph, { type: 'replace', from, to });
    expect(how).toBe('ok');
    expect(held(after, to, 'file')).toEqual({ perm: CR | W, shared: ALL & ~W });
    expect(held(after, from, 'file')).toEqual({ perm: 0, shared: ALL });
  });

  test('permission oracle, PERM-18: a node that is reached on two ways gets the sum of both', () => {
    // The long way is listed first, the short one last, so no order of the lists is the right one.
    const top: OracleNode = {
      name: 'top',
      kind: 'probe',
      children: [
        { name: 'long', node: 'l1', role: FILTERED },
        { name: 'short', node: 'shared', role: Role.cow },
      ],
    };
    const all = [raw('shared', 'disk'), raw('l2', 'shared'), raw('l1', 'l2'), top, leaf('disk')];
    const graph = { nodes: all, users: [user('a', 'top', CR | W | RZ, ALL & ~WU)] };
    expect(held(graph, 'top', 'short')).toEqual({ perm: CR, shared: ALL });
    expect(held(graph, 'shared', 'file')).toEqual({ perm: CR | W | RZ, shared: ALL & ~WU });
  });

  test('permission oracle, PERM-19: one exclusive writer replaces the other over one base', () => {
    const filters = [leaf('base'), raw('fl1', 'base'), raw('fl2', 'base')];
    const graph = { nodes: filters, users: [user('a', 'fl1', W, CR)] };
    const both = { ...graph, users: [...graph.users, user('b', 'fl2', W, CR)] };
    expect(rules(both)).toEqual(['PERM-4 base']);
    expect(outcome(graph, { type: 'attach', user: user('b', 'fl2', W, CR) })).toBe('refused');
    expect(outcome(graph, { type: 'replace', from: 'fl1', to: 'fl2' })).toBe('ok');
  });

  test('permission oracle, PERM-9: giving up is never refused', () => {
    const disk = leaf('disk', { aligned: false });
    const graph = { nodes: [disk], users: [user('a', 'disk', CR | W | RZ), user('b', 'disk', CR)] };
    const set = (permissions: number, shared: number = ALL): string =>
      outcome(graph, { type: 'set-permissions', user: 'a', permissions, shared });
    expect([set(CR), set(0), set(CR | W), set(W | WU)]).toEqual([
      'ok',
      'ok',
      'swallowed',
      'refused',
    ]);
    expect(set(CR | W | RZ, ALL & ~CR)).toBe('refused');
    expect(outcome(graph, { type: 'detach', user: 'b' })).toBe('ok');
    const second = { ...graph, users: [...graph.users, user('c', 'disk', W)] };
    expect(outcome(second, { type: 'detach', user: 'a' })).toBe('swallowed');
  });

  test('permission oracle, GRAPH-19: a filter is inserted for all users of a node', () => {
    const graph = { nodes: [leaf('disk'), raw('top', 'disk')], users: [user('a', 'disk', CR)] };
    const { after } = expectationOf(graph, {
      type: 'insert',
      node: raw('filter', 'disk'),
      above: 'disk',
    });
    expect(after.users).toEqual([user('a', 'filter', CR)]);
    expect(after.nodes.map(({ name, children }) => [name, children[0]?.node])).toEqual([
      ['disk', undefined],
      ['top', 'filter'],
      ['filter', 'disk'],
    ]);
  });

  test('permission oracle, GRAPH-21: a replacement makes no circle', () => {
    const all = [leaf('disk'), raw('middle', 'disk'), raw('top', 'middle'), raw('side', 'disk')];
    const graph = { nodes: all, users: [user('a', 'disk', CR)] };
    const { after } = expectationOf(graph, { type: 'replace', from: 'disk', to: 'top' });
    expect(after.nodes.map(({ name, children }) => [name, children[0]?.node])).toEqual([
      ['disk', undefined],
      ['middle', 'disk'],
      ['top', 'middle'],
      ['side', 'top'],
    ]);
    expect(after.users[0]?.node).toBe('top');
  });
});

test('permission oracle: names and bits', () => {
  expect(namesOfBits(ALL)).toEqual(['consistent-read', 'write', 'write-unchanged', 'resize']);
  expect(bitsOfNames(['resize', 'consistent-read'])).toBe(CR | RZ);
});

test('permission oracle: it refuses graphs that are none', () => {
  const twice = [user('a', 'disk', 0), user('a', 'disk', 0)];
  expect(() => evaluate({ nodes: [leaf('disk')], users: twice })).toThrow('the same name');
  expect(() => evaluate({ nodes: [], users: [user('a', 'disk', 0)] })).toThrow('no node disk');
});

/** Where a rule is broken anyway, what the edge would hold means nothing. */
function isMeaningless(readOnly: boolean, need: number): boolean {
  return readOnly && (need & (W | WU)) !== 0;
}

test.each([
  ['a filtered child', FILTERED],
  ['a backing child', Role.cow],
  ['data', DATA],
  ['data and metadata', METADATA],
  ['metadata', Role.metadata],
  ['more data', Role.data],
])('permission oracle: it agrees with the usual permissions of %s in all cases', (_, role) => {
  for (const readOnly of [false, true]) {
    const state = { writable: !readOnly, inactive: false };
    for (let both = 0; both < 256; both += 1) {
      const [permissions, shared] = [both & ALL, both >> 4];
      if (isMeaningless(readOnly, permissions)) continue;
      const top: OracleNode = {
        name: 'top',
        kind: 'probe',
        readOnly,
        children: [{ name: 'file', node: 'disk', role }],
      };
      const users = [user('a', 'top', permissions, shared)];
      const pair = evaluate({ nodes: [leaf('disk'), top], users }).edges.get('top/file');
      const grant = defaultGrant(role, { permissions, shared }, state);
      const asPair = { perm: grant.permissions, shared: grant.shared };
      expect({ readOnly, permissions, shared, pair }).toEqual({
        readOnly,
        permissions,
        shared,
        pair: asPair,
      });
    }
  }
});
