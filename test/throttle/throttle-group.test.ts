// Groups as objects: names, limits, members.
import {
  AioContext,
  BlockBackend,
  blockdevAdd,
  blockdevDel,
  blockdevReopen,
  ThrottleGroup,
} from '../../lib/index.js';
import { fastDisk } from '../support/null-disk.js';
import { codeThrown } from '../support/requests.js';

function named(name: string): ThrottleGroup {
  const group = ThrottleGroup.find(name);
  if (group === undefined) throw new Error(`there is no group ${name}`);
  return group;
}

afterEach(() => {
  expect(ThrottleGroup.all()).toEqual([]);
});

describe('groups that members name', () => {
  test('TG-1: the first member makes an unknown group, and the last one takes it along', async () => {
    const first = await BlockBackend.open(fastDisk());
    const second = await BlockBackend.open(fastDisk());
    first.ioLimitsEnable('bar');
    second.ioLimitsEnable('bar');
    expect(ThrottleGroup.all().map(({ name }) => name)).toEqual(['bar']);
    expect(named('bar').info().members).toBe(2);
    await first.ioLimitsDisable();
    expect(named('bar').info().members).toBe(1);
    await second.close();
    expect(ThrottleGroup.find('bar')).toBeUndefined();
    await first.close();
  });

  test('TG-2: 1 and 3 share a state, 2 has its own, and none is left after all', async () => {
    const [one, two, three] = await Promise.all([1, 2, 3].map(() => BlockBackend.open(fastDisk())));
    if (!one || !two || !three) throw new Error('no backends');
    one.ioLimitsEnable('bar');
    two.ioLimitsEnable('foo');
    three.ioLimitsEnable('bar');
    expect(one.throttleGroup).toBe(three.throttleGroup);
    expect(one.throttleGroup).not.toBe(two.throttleGroup);
    one.setIoLimits({ 'bps-total': 10, 'iops-read': 5 });
    expect(three.ioLimits).toMatchObject({ 'bps-total': 10, 'iops-read': 5 });
    three.setIoLimits({ 'iops-read': 7 });
    expect(one.ioLimits).toMatchObject({ 'bps-total': 0, 'iops-read': 7 });
    expect(two.ioLimits).toMatchObject({ 'bps-total': 0, 'iops-read': 0 });
    for (const blk of [one, two, three]) {
      await blk.ioLimitsDisable();
      expect(blk.throttleGroup).toBeUndefined();
      expect(blk.ioLimits).toBeUndefined();
      await blk.close();
    }
  });

  test('TQ-8: limits that were changed through one member show up on all', async () => {
    const first = await BlockBackend.open(fastDisk());
    const second = await BlockBackend.open(fastDisk());
    first.ioLimitsEnable('g');
    second.ioLimitsEnable('g');
    first.setIoLimits({ 'iops-total': 100, 'iops-total-max': 200 });
    expect(second.ioLimits).toEqual(first.ioLimits);
    expect(second.ioLimits).toMatchObject({ 'iops-total': 100, 'iops-total-max': 200 });
    await first.close();
    await second.close();
  });
});

describe('group objects', () => {
  test('TQ-10: a name is taken once, wrong limits make none, a used one stays', async () => {
    const group = new ThrottleGroup('tg0', { 'iops-total': 10 });
    expect(group.limits).toMatchObject({ 'iops-total': 10, 'bps-total': 0 });
    expect(() => new ThrottleGroup('tg0')).toThrow(expect.objectContaining({ code: 'EEXIST' }));
    expect(() => new ThrottleGroup('tg1', { 'iops-total': 1, 'iops-read': 1 })).toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
    expect(ThrottleGroup.find('tg1')).toBeUndefined();
    const blk = await BlockBackend.open(fastDisk());
    blk.ioLimitsEnable('tg0');
    expect(() => group.delete()).toThrow(expect.objectContaining({ code: 'EBUSY' }));
    await blk.close();
    expect(ThrottleGroup.find('tg0')).toBe(group);
    group.delete();
    expect(ThrottleGroup.find('tg0')).toBeUndefined();
    expect(codeThrown(() => group.update({}))).toBe('ENOENT');
  });

  test('TQ-11: what is left out keeps its value, and the merged set is checked', () => {
    const group = new ThrottleGroup('tg0', { 'iops-read': 10, 'iops-read-max': 20 });
    group.update({ 'iops-write': 5 });
    const merged = { 'iops-read': 10, 'iops-read-max': 20, 'iops-write': 5 };
    expect(group.limits).toMatchObject(merged);
    expect(codeThrown(() => group.update({ 'iops-total': 1 }))).toBe('EINVAL');
    expect(codeThrown(() => group.update({ 'iops-read': 21 }))).toBe('EINVAL');
    expect(group.limits).toMatchObject(merged);
    group.delete();
  });

  test('TQ-12: single properties cannot be set on a finished group', () => {
    const group = new ThrottleGroup('tg0');
    expect(() => Object.assign(group.limits, { 'iops-total': 10 })).toThrow(TypeError);
    expect(() => Object.assign(group, { limits: { 'iops-total': 10 } })).toThrow(TypeError);
    group.delete();
  });

  test('NEW-7: one reopen changes several nodes or none, and groups change their limits at any time', async () => {
    const groups = ['tg0', 'tg1'].map((name) => new ThrottleGroup(name, { 'iops-total': 10 }));
    const filter = (index: number, group: string) => ({
      driver: 'throttle',
      'node-name': `filter${index}`,
      'throttle-group': group,
      file: `disk${index}`,
    });
    for (const index of [0, 1]) {
      await blockdevAdd({ driver: 'null-co', 'node-name': `disk${index}` });
      await blockdevAdd(filter(index, 'tg0'));
    }
    const members = () => groups.map((group) => group.info().members);
    expect(members()).toEqual([2, 0]);
    const refused = blockdevReopen([filter(0, 'tg1'), filter(1, 'no')]);
    await expect(refused).rejects.toMatchObject({ code: 'EINVAL' });
    expect(members()).toEqual([2, 0]);
    await blockdevReopen([filter(0, 'tg1'), filter(1, 'tg1')]);
    expect(members()).toEqual([0, 2]);
    groups[1]?.update({ 'bps-write': 4096 });
    expect(groups[1]?.info().limits).toMatchObject({ 'iops-total': 10, 'bps-write': 4096 });
    for (const name of ['filter0', 'filter1', 'disk0', 'disk1']) await blockdevDel(name);
    for (const group of groups) group.delete();
  });

  test('TQ-15: a throttle node changes its group, not to an unknown one, and lets the old one go', async () => {
    const first = new ThrottleGroup('tg0', { 'iops-total': 10 });
    const second = new ThrottleGroup('tg1');
    const disk = { driver: 'null-co', 'node-name': 'disk0' };
    const options = { driver: 'throttle', 'node-name': 'throttle0', file: 'disk0' };
    await blockdevAdd(disk);
    await blockdevAdd({ ...options, 'throttle-group': 'tg0' });
    expect([first.info().members, second.info().members]).toEqual([1, 0]);
    await expect(blockdevReopen([{ ...options, 'throttle-group': 'no' }])).rejects.toMatchObject({
      code: 'EINVAL',
      message: expect.stringContaining("the throttle group 'no' does not exist"),
    });
    expect([first.info().members, second.info().members]).toEqual([1, 0]);
    expect(codeThrown(() => first.delete())).toBe('EBUSY');
    await blockdevReopen([{ ...options, 'throttle-group': 'tg1' }]);
    expect([first.info().members, second.info().members]).toEqual([0, 1]);
    first.delete();
    expect(codeThrown(() => second.delete())).toBe('EBUSY');
    await blockdevDel('throttle0');
    await blockdevDel('disk0');
    second.delete();
  });
});

describe('bad input', () => {
  test('throttle: a virtual context shares its group with no other time', async () => {
    const context = new AioContext({ home: 'virtual' });
    const here = await BlockBackend.open(fastDisk());
    const there = await BlockBackend.open(fastDisk(), { context });
    here.ioLimitsEnable('g');
    expect(() => there.ioLimitsEnable('g')).toThrow(/has members in another time/);
    expect(there.throttleGroup).toBeUndefined();
    await here.close();
    await there.close();
    await context.close();
  });

  test('throttle: a group needs a name', async () => {
    expect(codeThrown(() => new ThrottleGroup(''))).toBe('EINVAL');
    expect(codeThrown(() => new ThrottleGroup(5 as unknown as string))).toBe(
      'ERR_INVALID_ARG_TYPE',
    );
    await using blk = await BlockBackend.open(fastDisk());
    expect(codeThrown(() => blk.ioLimitsEnable(''))).toBe('ERR_INVALID_ARG_TYPE');
  });
});
