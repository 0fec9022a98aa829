import { ChildRole, Permission } from '../../lib/aio/protocol.js';
import {
  cumulative,
  defaultGrant,
  findConflict,
  NO_GRANT,
  permissionBits,
  permissionNames,
} from '../../lib/graph/permissions.js';

const { consistentRead: CR, write: W, writeUnchanged: WU, resize: RZ, all: ALL } = Permission;
const METADATA = ChildRole.data | ChildRole.metadata | ChildRole.primary;
const DATA = ChildRole.data | ChildRole.primary;

const writable = { writable: true };
const reader = { permissions: CR, shared: ALL };
const writer = { permissions: CR | W, shared: ALL };

describe('permission rules', () => {
  test('PERM-5: the rule is checked both ways', () => {
    const exclusive = { permissions: CR | W, shared: ALL & ~W };
    expect(findConflict([exclusive, writer])).toMatchObject({ needs: writer, bits: W });
    expect(findConflict([writer, exclusive])).toMatchObject({ needs: writer, bits: W });
    expect(findConflict([exclusive, reader])).toBeUndefined();
    const distrustful = { permissions: CR, shared: ALL & ~W };
    expect(findConflict([exclusive, distrustful])).toMatchObject({ needs: exclusive, bits: W });
    expect(findConflict([exclusive])).toBeUndefined();
  });

  test('PERM-6: needs are united, sharing is intersected', () => {
    const strict = { permissions: RZ, shared: CR | WU };
    expect(cumulative([writer, strict])).toEqual({ permissions: CR | W | RZ, shared: CR | WU });
    expect(cumulative([])).toEqual(NO_GRANT);
  });

  test('PERM-10: a filter passes on', () => {
    const strict = { permissions: W, shared: CR };
    expect(defaultGrant(ChildRole.filtered | ChildRole.primary, strict, writable)).toEqual(strict);
  });

  test('PERM-11: a backing file is read; it may be written where users share writing', () => {
    expect(defaultGrant(ChildRole.cow, writer, writable)).toEqual({ permissions: CR, shared: ALL });
    const strict = { permissions: W, shared: CR };
    expect(defaultGrant(ChildRole.cow, strict, writable)).toEqual({
      permissions: 0,
      shared: CR | WU,
    });
  });

  test('PERM-12: metadata needs CR, and W|RZ on a writable node; nobody else writes', () => {
    expect(defaultGrant(METADATA, { permissions: 0, shared: ALL }, writable)).toEqual({
      permissions: CR | W | RZ,
      shared: CR | WU,
    });
    expect(defaultGrant(METADATA, reader, { writable: false })).toEqual({
      permissions: CR,
      shared: CR | WU,
    });
  });

  test('PERM-13: data: WU implies W, W implies RZ, and resizing is not shared', () => {
    expect(defaultGrant(DATA, { permissions: WU, shared: ALL }, writable)).toEqual({
      permissions: W | WU | RZ,
      shared: CR | W | WU,
    });
    expect(defaultGrant(DATA, reader, writable)).toEqual({
      permissions: CR,
      shared: CR | W | WU,
    });
  });

  test('PERM-25: bits have names', () => {
    expect(permissionNames(ALL)).toEqual(['consistent-read', 'write', 'write-unchanged', 'resize']);
    expect(permissionBits(['resize', 'consistent-read'])).toBe(CR | RZ);
    expect(() => permissionBits(['wirte' as never])).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
    );
  });
});
