import { CompletionEvent, Operation, SUBMISSION_CAPACITY } from '../../lib/aio/protocol.js';
import { Ring } from '../../lib/aio/ring.js';
import { SlotTable } from '../../lib/aio/slots.js';
import { FakeBinding } from '../support/fake-binding.js';

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

function setUp() {
  const fake = new FakeBinding();
  const ring = new Ring(fake.binding);
  const settled: number[] = [];
  const owner = {
    settle(slot: number, result: number) {
      settled.push(result);
      ring.slots.release(slot);
    },
  };
  const submit = (length: number) => {
    ring.push(ring.slots.take(owner), Operation.read, 1, 0, length, 0, 0, 0, 0, 0);
    ring.arm();
  };
  return { fake, ring, settled, submit, owner };
}

describe('ring', () => {
  test('a batch costs one flush to hand over and one to find nothing more', async () => {
    const { fake, settled, submit } = setUp();
    for (const length of [1, 2, 3]) submit(length);
    expect(fake.calls).toEqual([]);
    await tick();
    expect(settled).toEqual([1, 2, 3]);
    expect(fake.calls).toEqual(['flush', 'flush']);
  });

  test('a full ring is handed over on the way', async () => {
    const { fake, settled, submit } = setUp();
    for (let index = 0; index < SUBMISSION_CAPACITY + 1; index += 1) submit(index);
    expect(fake.calls).toEqual(['submit']);
    await tick();
    expect(settled.length).toBe(SUBMISSION_CAPACITY + 1);
    expect(settled.every((result, index) => result === index)).toBe(true);
  });

  test('what a settled request submits goes with the same flush', async () => {
    const { fake, ring, settled, submit } = setUp();
    const chain = {
      settle(slot: number, result: number) {
        settled.push(result);
        ring.slots.release(slot);
        submit(result + 1);
      },
    };
    ring.push(ring.slots.take(chain), Operation.read, 1, 0, 1, 0, 0, 0, 0, 0);
    ring.arm();
    await tick();
    expect(settled).toEqual([1, 2]);
    expect(fake.calls).toEqual(['flush', 'flush', 'flush']);
  });

  test('events reach their listener', async () => {
    const { fake, ring } = setUp();
    const events: string[] = [];
    ring.listener = {
      idle: () => events.push('idle'),
      resized: () => events.push('resized'),
      thresholdsPassed: () => events.push('threshold'),
      warned: (_node, what) => events.push(`warned ${what}`),
    };
    fake.announce(CompletionEvent.idle);
    fake.announce(CompletionEvent.resized);
    fake.announce(CompletionEvent.warning, 2);
    ring.arm();
    await tick();
    expect(events).toEqual(['idle', 'resized', 'warned 2']);
  });

  test('an addon with another layout is refused, naming the number', () => {
    const fake = new FakeBinding();
    fake.layout['Operation.flush'] = 99;
    expect(() => new Ring(fake.binding)).toThrow(/Operation\.flush is 99 there and 5 here/);
  });
});

describe('slots', () => {
  test('a released slot comes back with another ticket', () => {
    const slots = new SlotTable();
    const owner = { settle: () => {} };
    const slot = slots.take(owner);
    const ticket = slots.ticket(slot);
    expect(slots.find(ticket)).toBe(slot);
    slots.release(slot);
    expect(slots.find(ticket)).toBe(-1);
    expect(slots.take(owner)).toBe(slot);
    expect(slots.find(ticket)).toBe(-1);
    expect(slots.ticket(slot)).not.toBe(ticket);
  });

  test('the table grows to 100,000 and keeps what it held', () => {
    const slots = new SlotTable();
    const owner = { settle: () => {} };
    const taken = new Set<number>();
    for (let index = 0; index < 100_000; index += 1) {
      const slot = slots.take(owner);
      slots.offset[slot] = index;
      taken.add(slot);
    }
    expect([taken.size, slots.used]).toEqual([100_000, 100_000]);
    expect([...taken].every((slot, index) => slots.offset[slot] === index)).toBe(true);
    for (const slot of taken) slots.release(slot);
    expect(slots.used).toBe(0);
  });
});
