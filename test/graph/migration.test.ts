// Handing images over and taking them back: what becomes of permissions and of the graph.
import {
  AioContext,
  activateAll,
  activateNode,
  type BackendSettings,
  BlockBackend,
  type BlockdevOptions,
  graphDump,
  inactivateAll,
  ProbeJob,
  probe,
  RunState,
  setRunState,
} from '../../lib/index.js';
import { onEveryEngineAndHome } from '../support/matrix.js';
import { EVERYTHING, granted, permissions } from '../support/permissions.js';
import { codeOf } from '../support/requests.js';
import { isSettled, turn, until } from '../support/waiting.js';

const sector = Buffer.alloc(512, 7);

let machine: RunState;
beforeEach(() => {
  machine = new RunState();
  setRunState(machine);
});
afterAll(() => setRunState(new RunState()));

/** All changes of the graph that were asked for are done. */
async function changesDone(): Promise<void> {
  await activateAll();
}

onEveryEngineAndHome((context) => {
  const open = (
    options: BlockdevOptions | string,
    settings: BackendSettings = {},
  ): Promise<BlockBackend> => BlockBackend.open(options, { context: context(), ...settings });
  const pair = (wants: string, shares = 'CR W WU RZ'): BackendSettings => ({
    permissions: permissions(wants),
    shared: permissions(shares),
  });
  const disk = (name: string, more: Partial<BlockdevOptions> = {}): BlockdevOptions => ({
    driver: 'x-probe',
    'node-name': name,
    ...more,
  });
  /** A device's backend as it is before the device took its permissions. */
  const idle = (name: string): BackendSettings => ({ name, ...pair('') });

  const inactiveNodes = (): string[] =>
    graphDump()
      .nodes.filter(({ inactive }) => inactive)
      .map(({ name }) => name);

  test('PERM-14: an inactive parent shares writing and resizing below it', async () => {
    const top = disk('above', {
      'roles.file': 'data,metadata,primary',
      'roles.backing': 'cow',
      file: disk('storage'),
      backing: disk('backing', { 'read-only': true }),
    });
    await using blk = await open(top, { name: 'user', ...pair('CR W', 'CR') });
    expect(granted('above', 'storage')).toEqual(['CR W RZ', 'CR']);
    expect(granted('above', 'backing')).toEqual(['CR', 'CR WU']);
    probe('storage').failNext('inactivate', 'EIO');
    expect(await codeOf(inactivateAll())).toBe('EIO');
    expect(inactiveNodes()).toEqual(expect.arrayContaining(['above']));
    expect(granted('above', 'storage')).toEqual(['CR', 'ALL']);
    expect(granted('above', 'backing')).toEqual(['', 'ALL']);
    await activateAll();
    expect(granted('above', 'storage')).toEqual(['CR W RZ', 'CR']);
    expect(blk.permissionsDisabled).toBe(false);
  });

  test('INACT-1: a device that comes while a migration comes in only remembers permissions', async () => {
    await using blk = await open(disk('shared'), idle('device'));
    machine.set('inmigrate');
    blk.attachDevice({});
    expect(blk.permissionsDisabled).toBe(true);
    await blk.setPermissions(permissions('CR W'), permissions('CR WU'));
    expect([blk.permissions, blk.shared]).toEqual([permissions('CR W'), permissions('CR WU')]);
    expect(granted('device', 'shared')).toEqual(['', 'ALL']);
    // Whoever writes the incoming storage stands beside it.
    await using writer = await open('shared', pair('CR W'));
    expect(await writer.pwrite(0, sector)).toBe(512);
    expect(await codeOf(blk.pwrite(0, sector))).toBe('EPERM');
    await writer.close();
    machine.set('running');
    // The node was active all the time; its user is not.
    await activateAll();
    expect(granted('device', 'shared')).toEqual(['CR W', 'CR WU']);
    expect(await blk.pwrite(0, sector)).toBe(512);
    // At any other time permissions are held at once.
    await using other = await open(disk('at-once'), idle('other'));
    other.attachDevice({});
    await other.setPermissions(permissions('CR W'), permissions('CR WU'));
    expect(granted('other', 'at-once')).toEqual(['CR W', 'CR WU']);
  });

  test('INACT-2: activating what is not disabled does nothing', async () => {
    await using blk = await open(disk('twice'), { name: 'twice-blk', ...pair('CR W', 'CR') });
    const before = [graphDump(), probe('twice').counters()];
    machine.set('inmigrate');
    await blk.activate();
    machine.set('running');
    await changesDone();
    expect([graphDump(), probe('twice').counters()]).toEqual(before);
  });

  test('INACT-3: activating first takes what is wanted and shares all; a failure leaves it disabled', async () => {
    await using blk = await open(disk('steps'), { name: 'steps-blk', ...pair('CR W', 'CR') });
    await blk.inactivate();
    const driver = probe('steps');
    {
      await using strict = await open('steps', pair('CR', 'CR WU RZ'));
      const before = graphDump();
      await expect(blk.activate()).rejects.toMatchObject({ code: 'EPERM' });
      expect(graphDump()).toEqual(before);
      expect([blk.permissionsDisabled, strict.isClosed]).toEqual([true, false]);
    }
    const checks = driver.calls('checkPermissions');
    driver.failNext('checkPermissions', 'EIO');
    expect(await codeOf(blk.activate())).toBe('EIO');
    // It ended with the first of the two requests, which shared everything.
    expect(driver.calls('checkPermissions')).toBe(checks + 1);
    expect([driver.checkedPermissions, driver.checkedShared]).toEqual([
      permissions('CR W'),
      EVERYTHING,
    ]);
    expect(blk.permissionsDisabled).toBe(true);
    await blk.activate();
    expect(driver.calls('checkPermissions')).toBe(checks + 3);
    expect(granted('steps-blk', 'steps')).toEqual(['CR W', 'CR']);
  });

  test('INACT-4: while still incoming, sharing less waits for the machine; one handler, once', async () => {
    await using blk = await open(disk('later'), { name: 'later-blk', ...pair('CR W', 'CR WU') });
    const handlers = jest.spyOn(machine, 'addHandler');
    machine.set('inmigrate');
    await blk.inactivate();
    await blk.activate();
    expect(granted('later-blk', 'later')).toEqual(['CR W', 'ALL']);
    await blk.inactivate();
    await blk.activate();
    expect(handlers).toHaveBeenCalledTimes(1);
    machine.set('inmigrate');
    await changesDone();
    expect(granted('later-blk', 'later')).toEqual(['CR W', 'ALL']);
    const removed = jest.spyOn(machine, 'removeHandler');
    machine.set('paused');
    await changesDone();
    expect(granted('later-blk', 'later')).toEqual(['CR W', 'CR WU']);
    expect(removed).toHaveBeenCalledTimes(1);
    // It has gone: nothing is asked of the driver again.
    const checks = probe('later').calls('checkPermissions');
    machine.set('running');
    await changesDone();
    expect(probe('later').calls('checkPermissions')).toBe(checks);
  });

  test('INACT-4: what fails when the machine runs is only told', async () => {
    await using blk = await open(disk('told'), { name: 'told-blk', ...pair('CR W', 'CR WU') });
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    try {
      machine.set('inmigrate');
      await blk.inactivate();
      await blk.activate();
      await using other = await open('told', pair('CR W'));
      machine.set('running');
      await until(() => warned.mock.calls.length > 0);
      expect(String(warned.mock.calls[0]?.[0])).toContain('told-blk');
      expect(granted('told-blk', 'told')).toEqual(['CR W', 'ALL']);
      expect([await blk.pwrite(0, sector), await other.pwrite(0, sector)]).toEqual([512, 512]);
    } finally {
      warned.mockRestore();
    }
  });

  test('INACT-4: another run state, or closing, before the machine runs', async () => {
    const blk = await open(disk('gone'), { name: 'gone-blk', ...pair('CR W', 'CR WU') });
    machine.set('inmigrate');
    await blk.inactivate();
    await blk.activate();
    // The handler stays with the object that it was given to.
    setRunState(new RunState('running'));
    machine.set('running');
    await changesDone();
    expect(granted('gone-blk', 'gone')).toEqual(['CR W', 'CR WU']);
    machine.set('inmigrate');
    setRunState(machine);
    await blk.inactivate();
    await blk.activate();
    const removed = jest.spyOn(machine, 'removeHandler');
    await blk.close();
    expect(removed).toHaveBeenCalledTimes(1);
    machine.set('running');
    await changesDone();
  });

  test('INACT-5: when the machine runs, sharing less comes at once, and failing disables again', async () => {
    await using blk = await open(disk('at-once'), { name: 'at-once-blk', ...pair('CR', 'CR') });
    await blk.inactivate();
    {
      // Does not mind what is wanted, but needs what is not to be shared.
      await using other = await open('at-once', pair('CR W'));
      const before = graphDump();
      await expect(blk.activate()).rejects.toMatchObject({ code: 'EPERM' });
      expect(graphDump()).toEqual(before);
      expect([blk.permissionsDisabled, other.isClosed]).toEqual([true, false]);
    }
    await blk.activate();
    expect(blk.permissionsDisabled).toBe(false);
    expect(granted('at-once-blk', 'at-once')).toEqual(['CR', 'CR']);
  });

  test('INACT-6: what is not shared survives activation, at once and deferred', async () => {
    for (const state of ['running', 'inmigrate'] as const) {
      machine.set('running');
      await using blk = await open(disk('kept'), { name: 'kept-blk', ...pair('CR W', 'CR WU RZ') });
      blk.attachDevice({});
      await inactivateAll();
      machine.set(state);
      await activateAll();
      expect(blk.shared).toEqual(permissions('CR WU RZ'));
      machine.set('running');
      await changesDone();
      expect(blk.shared).toEqual(permissions('CR WU RZ'));
      expect(granted('kept-blk', 'kept')).toEqual(['CR W', 'CR WU RZ']);
      expect(await codeOf(open('kept', pair('CR W')))).toBe('EPERM');
    }
  });

  test('NEW-9: after an activation nobody gets in whom the backend did not share with before', async () => {
    await using blk = await open(disk('once'), { name: 'once-blk', ...pair('CR W', 'CR WU RZ') });
    blk.attachDevice({});
    await inactivateAll();
    await activateAll();
    expect(blk.shared).toEqual(permissions('CR WU RZ'));
    expect(await codeOf(open('once', pair('CR W')))).toBe('EPERM');
    await (await open('once', pair('CR'))).close();
  });

  test.each([
    ['it writes and nobody knows it', 'W', {}, 'EPERM'],
    ['it writes the same bytes again and nobody knows it', 'WU', {}, 'EPERM'],
    ['it has a device', 'W', { device: true }, 'none'],
    ['it has a name', 'W', { name: 'known' }, 'none'],
    ['it does not write', 'CR RZ', {}, 'none'],
    ['it is forced', 'W', { force: true }, 'none'],
  ])('INACT-7: %s', async (_, wants, how, code) => {
    const { device, name, force } = how as { device?: boolean; name?: string; force?: boolean };
    await using blk = await open(disk('known-node'), { name, ...pair(wants) });
    if (device) blk.attachDevice({});
    if (force) blk.forceInactivate = true;
    const before = graphDump();
    expect(await codeOf(blk.inactivate())).toBe(code);
    expect(blk.permissionsDisabled).toBe(code === 'none');
    if (code !== 'none') expect(graphDump()).toEqual(before);
    expect(await codeOf(inactivateAll())).toBe(code);
    expect(blk.permissionsDisabled).toBe(code === 'none');
    if (code === 'none') expect(inactiveNodes()).toContain('known-node');
    else expect(graphDump()).toEqual(before);
    await activateAll();
    expect(graphDump()).toEqual(before);
  });

  test('INACT-8: the edge holds nothing and shares all, the pair is remembered; twice is once', async () => {
    await using blk = await open(disk('eight'), { name: 'eight-blk', ...pair('CR W', 'CR WU') });
    await blk.inactivate();
    expect(blk.permissionsDisabled).toBe(true);
    expect(granted('eight-blk', 'eight')).toEqual(['', 'ALL']);
    expect([blk.permissions, blk.shared]).toEqual([permissions('CR W'), permissions('CR WU')]);
    const before = [graphDump(), probe('eight').counters()];
    await blk.inactivate();
    expect([graphDump(), probe('eight').counters()]).toEqual(before);
    expect(await codeOf(blk.pwrite(0, sector))).toBe('EPERM');
    await blk.activate();
    expect(granted('eight-blk', 'eight')).toEqual(['CR W', 'CR WU']);
    expect(await blk.pwrite(0, sector)).toBe(512);
  });

  test('INACT-8: a request that is under way ends before its permission goes', async () => {
    await using blk = await open(disk('slow'), { name: 'slow-blk', ...pair('CR W') });
    for (const give of [() => blk.inactivate(), () => inactivateAll()]) {
      probe('slow').hold('pwrite', 'slowly');
      const write = blk.pwrite(0, sector);
      await until(() => probe('slow').held('slowly') === 1);
      const given = give();
      for (let turns = 0; turns < 5; turns += 1) await turn();
      expect(await isSettled(given)).toBe(false);
      expect(granted('slow-blk', 'slow')).toEqual(['CR W', 'ALL']);
      // One that comes meanwhile waits, and then has no permission any more.
      const late = codeOf(blk.pwrite(0, sector));
      probe('slow').release('slowly');
      expect(await write).toBe(512);
      await given;
      expect(await late).toBe('EPERM');
      await blk.activate();
    }
  });

  /** two tops -> middle -> bottom */
  const forest = () => ({
    first: disk('first', {
      filter: true,
      file: disk('middle', { filter: true, file: disk('bottom') }),
    }),
    second: disk('second', { filter: true, file: 'middle' }),
  });
  const NAMES = ['first', 'second', 'middle', 'bottom'];
  const visits = (hook: 'inactivate' | 'invalidate'): number[] =>
    NAMES.map((name) => probe(name).calls(hook));

  test('INACT-9: a node is visited when all nodes above it are inactive, and once', async () => {
    const { first, second } = forest();
    await using a = await open(first, { name: 'a', ...pair('CR W') });
    await using b = await open(second, { name: 'b', ...pair('CR W') });
    // Whatever comes first waits; nothing below it has been visited then.
    const order: string[] = [];
    for (const name of NAMES) probe(name).hold('inactivate', 'turn');
    const done = inactivateAll();
    for (let step = 0; step < NAMES.length; step += 1) {
      await until(() => NAMES.some((name) => probe(name).held('turn') === 1));
      const name = NAMES.find((candidate) => probe(candidate).held('turn') === 1) ?? '';
      order.push(name);
      expect(inactiveNodes()).toEqual(order.slice(0, -1).sort());
      probe(name).release('turn');
    }
    await done;
    expect(order.slice(0, 2).sort()).toEqual(['first', 'second']);
    expect(order.slice(2)).toEqual(['middle', 'bottom']);
    expect(visits('inactivate')).toEqual([1, 1, 1, 1]);
    expect([granted('a', 'first'), granted('middle', 'bottom')]).toEqual([
      ['', 'ALL'],
      ['', 'ALL'],
    ]);
    // Again: there is nothing to do.
    const before = graphDump();
    await inactivateAll();
    expect(visits('inactivate')).toEqual([1, 1, 1, 1]);
    expect(graphDump()).toEqual(before);
    await activateAll();
    expect([a.permissionsDisabled, b.permissionsDisabled]).toEqual([false, false]);
  });

  test('INACT-9: a driver that refuses stops it; what was visited before is inactive', async () => {
    const { first, second } = forest();
    await using a = await open(first, { name: 'a', ...pair('CR W') });
    await using b = await open(second, { name: 'b', ...pair('CR W') });
    const before = graphDump();
    probe('middle').failNext('inactivate', 'EIO');
    expect(await codeOf(inactivateAll())).toBe('EIO');
    expect(inactiveNodes()).toEqual(['first', 'second']);
    expect(visits('inactivate')).toEqual([1, 1, 1, 0]);
    await activateAll();
    expect(graphDump()).toEqual(before);
    expect([await a.pwrite(0, sector), await b.pwrite(0, sector)]).toEqual([512, 512]);
  });

  test('INACT-9: the first user that refuses wins, and the others of that node keep what they have', async () => {
    await using known = await open(disk('users'), { name: 'known', ...pair('CR W') });
    await using unknown = await open('users', pair('CR W'));
    const before = graphDump();
    await expect(inactivateAll()).rejects.toMatchObject({ code: 'EPERM' });
    expect(graphDump()).toEqual(before);
    expect([known.permissionsDisabled, unknown.permissionsDisabled]).toEqual([false, false]);
    unknown.forceInactivate = true;
    await inactivateAll();
    expect(inactiveNodes()).toContain('users');
    await activateAll();
    expect(graphDump()).toEqual(before);
  });

  test('INACT-9: a job that goes on writing is EPERM', async () => {
    await using blk = await open(disk('worked-on'), { name: 'guest', ...pair('CR W') });
    const writes = { permissions: 2, shared: 15 };
    const job = new ProbeJob('writer', { wants: writes });
    if (blk.root !== undefined) await job.attach(blk.root);
    const before = graphDump();
    await expect(inactivateAll()).rejects.toMatchObject({ code: 'EPERM', node: 'worked-on' });
    expect(graphDump()).toEqual(before);
    await job.detach();
    await inactivateAll();
    expect(inactiveNodes()).toContain('worked-on');
  });

  test('INACT-9: a failing flush stops it before the driver is asked', async () => {
    await using blk = await open(disk('dirty'), { name: 'guest', ...pair('CR W') });
    await blk.pwrite(0, sector);
    const before = graphDump();
    probe('dirty').failNext('flush', 'ENOSPC');
    expect(await codeOf(inactivateAll())).toBe('ENOSPC');
    expect(probe('dirty').calls('inactivate')).toBe(0);
    expect(graphDump()).toEqual(before);
  });

  test('INACT-11: from below to above: flag, permissions, driver, length, and then the users', async () => {
    const { first, second } = forest();
    await using a = await open(first, { name: 'a', ...pair('CR W', 'CR W WU') });
    await using b = await open(second, { name: 'b', ...pair('CR') });
    const before = graphDump();
    const active = a.root?.info().length;
    await inactivateAll();
    const order: string[] = [];
    for (const name of NAMES) probe(name).hold('invalidate', 'turn');
    probe('bottom').setSize(4 << 20);
    const done = activateAll();
    for (let step = 0; step < NAMES.length; step += 1) {
      await until(() => NAMES.some((name) => probe(name).held('turn') === 1));
      const name = NAMES.find((candidate) => probe(candidate).held('turn') === 1) ?? '';
      order.push(name);
      // Its flag is clear when its driver is asked; those above it wait for it.
      expect(inactiveNodes()).toEqual(NAMES.filter((other) => !order.includes(other)).sort());
      if (name === 'first') expect(granted('a', 'first')).toEqual(['', 'ALL']);
      probe(name).release('turn');
    }
    await done;
    expect(order.slice(0, 2)).toEqual(['bottom', 'middle']);
    expect(visits('invalidate')).toEqual([1, 1, 1, 1]);
    expect(graphDump()).toEqual(before);
    expect([active, await a.getLength(), await b.getLength()]).toEqual([1 << 20, 4 << 20, 4 << 20]);
  });

  test.each([
    ['its driver', () => probe('eleven').failNext('invalidate', 'EIO'), 'EIO'],
    ['a lock', () => probe('eleven').failNext('checkPermissions', 'EAGAIN'), 'EAGAIN'],
  ])('INACT-11: a failure of %s sets the flag again', async (_, fail, code) => {
    await using reader = await open(disk('eleven'), { name: 'reader', ...pair('CR') });
    await using writer = await open('eleven', { name: 'writer', ...pair('CR W', 'CR WU') });
    const active = graphDump();
    await inactivateAll();
    const before = graphDump();
    fail();
    expect(await codeOf(activateNode('eleven'))).toBe(code);
    expect(graphDump()).toEqual(before);
    expect([reader.permissionsDisabled, writer.permissionsDisabled]).toEqual([true, true]);
    await activateNode('eleven');
    expect(graphDump()).toEqual(active);
  });

  test('INACT-11: a failure of one user sets the flag again and takes from the others what they got', async () => {
    await using reader = await open(disk('eleven'), { name: 'reader', ...pair('CR') });
    await using writer = await open('eleven', { name: 'writer', ...pair('CR W') });
    await inactivateAll();
    // They cannot be activated together any more, in whatever order.
    await reader.setPermissions(permissions('CR'), permissions('CR'));
    await using third = await open('eleven', { name: 'third', ...pair('CR RZ', 'CR') });
    const before = graphDump();
    expect(await codeOf(activateAll())).toBe('EPERM');
    expect(graphDump()).toEqual(before);
    expect([reader, writer, third].map((blk) => blk.permissionsDisabled)).toEqual([
      true,
      true,
      true,
    ]);
  });

  test('INACT-12: through an empty backend there is nothing to activate', async () => {
    await using blk = new BlockBackend({ context: context(), name: 'empty' });
    await expect(blk.activate()).rejects.toMatchObject({
      code: 'ENOMEDIUM',
      message: expect.stringContaining('the device has no medium'),
    });
    await using full = await open(disk('taken-out'), { name: 'full' });
    await full.inactivate();
    await full.remove();
    expect(await codeOf(full.activate())).toBe('ENOMEDIUM');
    expect(full.permissionsDisabled).toBe(true);
  });

  test('INACT-14: a user on an IOThread that comes while incoming activates the node first', async () => {
    machine.set('inmigrate');
    await using blk = await open(disk('exported'), { name: 'export', ...pair('CR W', 'CR WU RZ') });
    expect(inactiveNodes()).toContain('exported');
    expect([blk.context, blk.permissionsDisabled]).toEqual([context(), true]);
    const [write, activated] = [codeOf(blk.pwrite(0, sector)), blk.activate()];
    expect(await write).toBe('EPERM');
    await activated;
    expect(probe('exported').calls('invalidate')).toBe(1);
    expect(granted('export', 'exported')).toEqual(['CR W', 'ALL']);
    expect(await blk.pwrite(0, sector)).toBe(512);
    machine.set('running');
    await changesDone();
    expect(granted('export', 'exported')).toEqual(['CR W', 'CR WU RZ']);
    // From one loop to another with everything on it.
    await using elsewhere = new AioContext({ home: 'iothread' });
    await inactivateAll();
    await blk.setContext(elsewhere);
    await activateAll();
    expect(await blk.pwrite(0, sector)).toBe(512);
    await blk.close();
  });
});
