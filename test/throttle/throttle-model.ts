// A throttle group as sections 21 and 22 of QEMU's behaviour say it is, in plain data and with a
// clock of its own: which member's request goes on when. It knows nothing of the package.
import { BucketModel, type ModelLimits } from './bucket-model.js';

const DIRECTIONS = ['read', 'write'] as const;
export type ModelDirection = (typeof DIRECTIONS)[number];

const UNITS = ['bps', 'iops'] as const;
const BUCKETS = UNITS.flatMap((unit) =>
  (['total', ...DIRECTIONS] as const).map((share) => `${unit}-${share}` as const),
);

export interface ModelRequest {
  readonly name: string;
  readonly direction: ModelDirection;
  readonly bytes: number;
}

interface Waiting extends ModelRequest {
  readonly since: number;
}

interface Alarm {
  readonly member: string;
  readonly deadline: number;
  /** Those of one moment go off in the order in which they were set. */
  readonly order: number;
}

/** What is the group's, per direction (TG-4). */
interface Turn {
  token: string | undefined;
  alarm: Alarm | undefined;
}

export class ThrottleModel {
  readonly #buckets = new Map(BUCKETS.map((name) => [name, new BucketModel()]));
  readonly #turns: { readonly [direction in ModelDirection]: Turn } = {
    read: { token: undefined, alarm: undefined },
    write: { token: undefined, alarm: undefined },
  };
  /** In the order in which they take turns. */
  readonly #ring: string[] = [];
  readonly #queues = new Map<string, Waiting[]>();
  readonly #log: { readonly name: string; readonly when: number }[] = [];
  readonly #waited = new Map<string, number>();
  #limits: ModelLimits = {};
  #leaked = 0;
  #alarms = 0;
  #now = 0;

  get now(): number {
    return this.#now;
  }

  get members(): readonly string[] {
    return this.#ring;
  }

  /** Requests in the order in which they went on, and when. */
  get log(): readonly { readonly name: string; readonly when: number }[] {
    return this.#log;
  }

  /** Nanoseconds that all requests of a member and direction waited which went on. */
  waited(member: string, direction: ModelDirection): number {
    return this.#waited.get(`${member} ${direction}`) ?? 0;
  }

  /** All that wait, in no order that matters. */
  waiting(): { readonly member: string; readonly request: ModelRequest }[] {
    return [...this.#queues].flatMap(([member, queue]) =>
      queue.map((request) => ({ member, request })),
    );
  }

  /** TG-3. */
  join(member: string): void {
    this.#ring.unshift(member);
    this.#queues.set(member, []);
    for (const direction of DIRECTIONS) this.#turns[direction].token ??= member;
  }

  /** It is drained, and its tokens go to the next (TG-13). */
  leave(member: string): void {
    this.drain(member);
    const next = this.#behind(member)[0];
    for (const direction of DIRECTIONS) {
      const turn = this.#turns[direction];
      if (turn.alarm?.member === member) turn.alarm = undefined;
      if (turn.token === member) turn.token = next === member ? undefined : next;
    }
    this.#ring.splice(this.#ring.indexOf(member), 1);
    this.#queues.delete(member);
  }

  configure(limits: ModelLimits): void {
    const wasOn = this.#isOn;
    this.#leak();
    for (const [name, bucket] of this.#buckets) {
      if (!wasOn) bucket.empty();
      bucket.configure(limits, name);
    }
    this.#limits = limits;
    for (const direction of DIRECTIONS) {
      const { alarm } = this.#turns[direction];
      if (alarm) this.#setAlarm(alarm.member, direction, this.#wait(direction));
    }
  }

  submit(member: string, request: ModelRequest): void {
    const { direction } = request;
    // Who waited for limits that are off by now has not gone yet, and comes first.
    if (!this.#isOn && this.#queue(member, direction).length === 0) {
      this.#log.push({ name: request.name, when: this.#now });
      return;
    }
    const candidate = this.#nextToken(member, direction);
    if (this.#mustWait(candidate, direction) || this.#queue(member, direction).length > 0) {
      this.#queues.get(member)?.push({ ...request, since: this.#now });
      return;
    }
    this.#go(request);
    this.#scheduleNext(member, direction);
  }

  /** A request that waits leaves uncharged; an alarm that was set for it goes off all the same. */
  abort(member: string, name: string): void {
    this.#takeOut(member, (request) => request.name === name);
    this.#log.push({ name: `${name} ABORT_ERR`, when: this.#now });
  }

  /** A drained section: what waits goes on at once, and others pay for it (TG-20). */
  drain(member: string): void {
    this.#leak();
    for (const direction of DIRECTIONS) {
      const turn = this.#turns[direction];
      const itsAlarm = turn.alarm?.member === member;
      if (itsAlarm) turn.alarm = undefined;
      while (this.#queue(member, direction).length > 0) this.#goFirst(member, direction);
      if (itsAlarm) this.#scheduleNext(member, direction);
    }
  }

  advanceTo(end: number): void {
    for (let next = this.#nextAlarm(); next !== undefined; next = this.#nextAlarm()) {
      const deadline = this.#turns[next].alarm?.deadline as number;
      if (deadline > end) break;
      this.#now = Math.max(this.#now, deadline);
      this.#goOff(next);
    }
    this.#now = end;
  }

  /** When the next alarm goes off. */
  get nextDeadline(): number | undefined {
    const next = this.#nextAlarm();
    return next === undefined ? undefined : this.#turns[next].alarm?.deadline;
  }

  get #isOn(): boolean {
    return BUCKETS.some((name) => (this.#limits[name] ?? 0) > 0);
  }

  // --- buckets

  #leak(): void {
    const elapsed = this.#now - this.#leaked;
    this.#leaked = this.#now;
    if (elapsed > 0) for (const bucket of this.#buckets.values()) bucket.leak(elapsed);
  }

  #concerned(unit: 'bps' | 'iops', direction: ModelDirection): BucketModel[] {
    return (['total', direction] as const).map(
      (share) => this.#buckets.get(`${unit}-${share}`) as BucketModel,
    );
  }

  /** THR-11. */
  #wait(direction: ModelDirection): number {
    const buckets = UNITS.flatMap((unit) => this.#concerned(unit, direction));
    return Math.max(...buckets.map((bucket) => bucket.wait()));
  }

  /** THR-12. */
  #charge({ direction, bytes }: ModelRequest): void {
    const size = this.#limits['iops-size'] ?? 0;
    const operations = size > 0 && bytes > size ? bytes / size : 1;
    for (const bucket of this.#concerned('bps', direction)) bucket.pour(bytes);
    for (const bucket of this.#concerned('iops', direction)) bucket.pour(operations);
  }

  // --- turns

  /** TG-5: whether a request of the direction waits; then the alarm is set, at `candidate`. */
  #mustWait(candidate: string, direction: ModelDirection): boolean {
    const turn = this.#turns[direction];
    if (turn.alarm) return true;
    this.#leak();
    const wait = this.#wait(direction);
    if (wait === 0) return false;
    turn.token = candidate;
    this.#setAlarm(candidate, direction, wait);
    return true;
  }

  /** TG-7. */
  #nextToken(asking: string, direction: ModelDirection): string {
    const inTurn = this.#behind(this.#turns[direction].token as string);
    return inTurn.find((member) => this.#queue(member, direction).length > 0) ?? asking;
  }

  /** All members in the order of the ring, `member` being the last. */
  #behind(member: string): string[] {
    const place = this.#ring.indexOf(member) + 1;
    return [...this.#ring.slice(place), ...this.#ring.slice(0, place)];
  }

  /** A request of `member` was charged: who is next (TG-11)? */
  #scheduleNext(member: string, direction: ModelDirection): void {
    const candidate = this.#nextToken(member, direction);
    if (this.#queue(candidate, direction).length === 0) return;
    if (this.#mustWait(candidate, direction)) return;
    const turn = this.#turns[direction];
    if (this.#queue(member, direction).length > 0) {
      turn.token = member;
      this.#goFirst(member, direction);
      this.#scheduleNext(member, direction);
    } else {
      turn.token = candidate;
      this.#setAlarm(candidate, direction, 0);
    }
  }

  #queue(member: string, direction: ModelDirection): Waiting[] {
    const queue = this.#queues.get(member) ?? [];
    return queue.filter((request) => request.direction === direction);
  }

  #takeOut(member: string, match: (request: Waiting) => boolean): Waiting | undefined {
    const queue = this.#queues.get(member) ?? [];
    const index = queue.findIndex(match);
    return index < 0 ? undefined : queue.splice(index, 1)[0];
  }

  #goFirst(member: string, direction: ModelDirection): void {
    const first = this.#takeOut(member, (request) => request.direction === direction);
    if (first === undefined) return;
    const key = `${member} ${direction}`;
    this.#waited.set(key, (this.#waited.get(key) ?? 0) + this.#now - first.since);
    this.#go(first);
  }

  #go(request: ModelRequest): void {
    this.#charge(request);
    this.#log.push({ name: request.name, when: this.#now });
  }

  // --- alarms

  #setAlarm(member: string, direction: ModelDirection, wait: number): void {
    this.#alarms += 1;
    this.#turns[direction].alarm = { member, deadline: this.#now + wait, order: this.#alarms };
  }

  #nextAlarm(): ModelDirection | undefined {
    const set = DIRECTIONS.filter((direction) => this.#turns[direction].alarm);
    return set.sort((a, b) => {
      const [first, second] = [this.#turns[a].alarm as Alarm, this.#turns[b].alarm as Alarm];
      return first.deadline - second.deadline || first.order - second.order;
    })[0];
  }

  /** The first that waits goes on without another look at the limits: they were asked for it. */
  #goOff(direction: ModelDirection): void {
    const turn = this.#turns[direction];
    const member = turn.alarm?.member as string;
    turn.alarm = undefined;
    this.#leak();
    this.#goFirst(member, direction);
    this.#scheduleNext(member, direction);
  }
}
