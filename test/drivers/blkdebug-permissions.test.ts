import { BlockBackend, blockdevAdd } from '../../lib/index.js';
import { clearGraph, refused } from '../support/graph.js';
import { EVERYTHING, granted, permissions } from '../support/permissions.js';

afterEach(clearGraph);

const over = (options: object) => ({
  driver: 'blkdebug',
  'node-name': 'debugged',
  image: 'disk',
  ...options,
});
/** Of a user that asks for those and minds nobody. */
const open = (options: object, wants = '') =>
  BlockBackend.open(over(options), { permissions: permissions(wants), shared: EVERYTHING });

beforeEach(async () => {
  await blockdevAdd({ driver: 'null-co', 'node-name': 'disk' });
});

test('TDRV-9: without more it passes on what its users take and share', async () => {
  await open({}, 'CR W');
  expect(granted('debugged', 'disk')).toEqual(['CR W', 'ALL']);
});

test('TDRV-9: it takes more of its child, which refuses users who do not share that', async () => {
  await open({ 'take-child-perms': ['write', 'resize'] });
  expect(granted('debugged', 'disk')).toEqual(['W RZ', 'ALL']);
  const shared = permissions('CR WU RZ');
  const error = await refused(() => BlockBackend.open('disk', { shared }));
  expect(error.code).toBe('EPERM');
  expect(error.message).toMatch(/write/);
});

test('TDRV-9: it shares less of its child, so that nobody else can take that', async () => {
  await open({ 'unshare-child-perms': ['write', 'consistent-read'] });
  expect(granted('debugged', 'disk')).toEqual(['', 'WU RZ']);
  const wanted = permissions('W');
  const error = await refused(() => BlockBackend.open('disk', { permissions: wanted }));
  expect(error.code).toBe('EPERM');
  await BlockBackend.open('disk', { permissions: permissions('RZ') });
  expect(granted('', 'disk')[0]).toBe('RZ');
});

test('TDRV-9: a node that nobody uses takes nothing yet, and is refused when it must', async () => {
  await blockdevAdd(over({ 'take-child-perms': ['write'] }));
  expect(granted('debugged', 'disk')).toEqual(['', 'ALL']);
  await BlockBackend.open('disk', { shared: permissions('CR WU RZ') });
  const error = await refused(() => BlockBackend.open('debugged', { permissions: [] }));
  expect(error.code).toBe('EPERM');
});

test('TDRV-9: a permission that does not exist is refused', async () => {
  for (const list of ['take-child-perms', 'unshare-child-perms']) {
    const error = await refused(() => blockdevAdd(over({ [list]: ['write', 'wirte'] })));
    expect(error.code).toBe('EINVAL');
    expect(error.message).toContain(`'${list}.1'`);
  }
});
