// A throttle group as an object with properties, here and in the genuine program.
import {
  setThrottleGroupProperty,
  ThrottleGroup,
  throttleGroupProperties,
} from '../../lib/index.js';
import { STORAGE_DAEMON, startStorageDaemon, withGenuine } from '../support/genuine-qemu.js';
import { codeThrown } from '../support/requests.js';
import { describeWith } from '../support/tools.js';

const LIMITS = { 'iops-total': 100, 'iops-total-max': 200, 'bps-read': 4096 };

let group: ThrottleGroup;
beforeEach(() => {
  group = new ThrottleGroup('tg', LIMITS);
});
afterEach(() => group.delete());

describe('properties of throttle groups', () => {
  test('TQ-11: limits that are given change, the others stay, and the whole is checked', () => {
    setThrottleGroupProperty(group, 'limits', { 'iops-total': 150, 'iops-size': 512 });
    const changed = { ...LIMITS, 'iops-total': 150, 'iops-size': 512 };
    expect(throttleGroupProperties(group).limits).toMatchObject(changed);
    const before = throttleGroupProperties(group);
    for (const wrong of [{ 'bps-total': 5 }, { 'iops-total': 201 }, { none: 1 }, 5, null, []]) {
      expect(codeThrown(() => setThrottleGroupProperty(group, 'limits', wrong))).toBe('EINVAL');
    }
    expect(throttleGroupProperties(group)).toEqual(before);
    expect(Object.isFrozen(before)).toBe(true);
  });

  test('TQ-12: single properties show the limits, and cannot be set', () => {
    expect(throttleGroupProperties(group)).toMatchObject({
      type: 'throttle-group',
      'x-iops-total': 100,
      'x-iops-total-max-length': 1,
    });
    for (const [property, text] of [
      ['x-iops-total', /'x-iops-total' .* cannot be set any more/],
      ['type', /'type' .* cannot be set any more/],
      ['y', /no property 'y'/],
      ['toString', /no property 'toString'/],
    ] as const) {
      expect(() => setThrottleGroupProperty(group, property, 5)).toThrow(text);
    }
    expect(group.limits['iops-total']).toBe(100);
  });
});

describeWith([STORAGE_DAEMON], 'properties of throttle groups, genuine', () => {
  test('TQ-11: the genuine program has the same properties, before and after a change', async () => {
    const change = { 'iops-total': 150, 'bps-read': 0, 'bps-total': 10, 'bps-total-max': 20 };
    const genuine = await withGenuine(startStorageDaemon(), async (qmp) => {
      const path = '/objects/tg';
      await qmp.execute('object-add', { 'qom-type': 'throttle-group', id: 'tg', limits: LIMITS });
      const list = await qmp.execute<{ name: string }[]>('qom-list', { path });
      const properties = async () => {
        const values: Record<string, unknown> = {};
        for (const { name } of list) {
          values[name] = await qmp.execute('qom-get', { path, property: name });
        }
        return values;
      };
      const before = await properties();
      await qmp.execute('qom-set', { path, property: 'limits', value: change });
      return [before, await properties()];
    });
    const before = throttleGroupProperties(group);
    setThrottleGroupProperty(group, 'limits', change);
    expect([before, throttleGroupProperties(group)]).toEqual(genuine);
  });
});
