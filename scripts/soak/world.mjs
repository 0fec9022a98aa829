// What all parts of a run share: when to go on, what was counted, and what went wrong.
import { blockEvents, cont, RunState, setRunState } from '../../dist/index.mjs';

/** Lets those who come to it pass, or holds them. */
class Gate {
  #open = true;
  #waiting = [];

  /** How many are held here. */
  get held() {
    return this.#waiting.length;
  }

  pass() {
    if (this.#open) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  set(open) {
    this.#open = open;
    if (open) for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Whoever operates it lets it go on a while after an error has stopped it. */
class Machine {
  #resumed = [];
  #world;
  #state = new RunState();
  #listeners = {
    STOP: () => setTimeout(() => void this.#continue(), this.#world.random.between(1, 30)),
    RESUME: () => {
      for (const resolve of this.#resumed.splice(0)) resolve();
    },
  };

  constructor(world) {
    this.#world = world;
    setRunState(this.#state);
    for (const [name, listener] of Object.entries(this.#listeners)) blockEvents.on(name, listener);
  }

  /** When it goes on the next time. */
  resumed() {
    return new Promise((resolve) => this.#resumed.push(resolve));
  }

  async #continue() {
    this.#world.count('machine: stopped by an error');
    await this.#world.watch.control('cont', 'cont', () => cont());
  }

  end() {
    for (const [name, listener] of Object.entries(this.#listeners)) blockEvents.off(name, listener);
  }
}

export class World {
  gate = new Gate();
  ending = false;
  counts = new Map();
  problems = [];
  /** Settled by the first problem. */
  failed;
  #fail;

  constructor({ folder, random }) {
    this.folder = folder;
    this.random = random;
    this.machine = new Machine(this);
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  count(what, more = 1) {
    this.counts.set(what, (this.counts.get(what) ?? 0) + more);
  }

  fail(problem) {
    this.problems.push(problem);
    this.#fail();
  }

  /** Does `step` over and over, and nothing while the gate is closed, until the end. */
  async goOn(step) {
    for (;;) {
      await this.gate.pass();
      if (this.ending) return;
      await step();
    }
  }

  end() {
    this.machine.end();
  }
}
