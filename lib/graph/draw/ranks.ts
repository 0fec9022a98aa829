// Which layer of a drawing a box belongs to: below everything that points to it.

export interface RankedArrow {
  readonly from: string;
  readonly to: string;
}

/** Lists by key, of which there may be none yet. */
class Lists<T> {
  readonly #lists = new Map<string, T[]>();

  add(key: string, item: T): void {
    const list = this.#lists.get(key);
    if (list === undefined) this.#lists.set(key, [item]);
    else list.push(item);
  }

  get(key: string): readonly T[] {
    return this.#lists.get(key) ?? [];
  }
}

/** The number of arrows on the longest way to every box. Arrows that close a circle do not count. */
function longestWays(keys: readonly string[], below: Lists<string>): Map<string, number> {
  const waiting = new Map(keys.map((key) => [key, 0]));
  for (const key of keys) {
    for (const to of below.get(key)) waiting.set(to, (waiting.get(to) ?? 0) + 1);
  }
  const ranks = new Map<string, number>();
  const ready = keys.filter((key) => waiting.get(key) === 0);
  const atLeast = new Map<string, number>();
  // A circle has no box that nothing points to; then the first one that is left begins.
  for (const start of [...ready, ...keys]) {
    const todo = [start];
    for (let key = todo.pop(); key !== undefined; key = todo.pop()) {
      if (ranks.has(key)) continue;
      const rank = atLeast.get(key) ?? 0;
      ranks.set(key, rank);
      for (const to of below.get(key)) {
        atLeast.set(to, Math.max(atLeast.get(to) ?? 0, rank + 1));
        const left = (waiting.get(to) ?? 1) - 1;
        waiting.set(to, left);
        if (left === 0) todo.push(to);
      }
    }
  }
  return ranks;
}

/** Boxes at the top come as near to what they point to as they can: arrows get short. */
export function rankBoxes(
  keys: readonly string[],
  arrows: readonly RankedArrow[],
): Map<string, number> {
  const below = new Lists<string>();
  const used = new Set<string>();
  for (const { from, to } of arrows) {
    below.add(from, to);
    used.add(to);
  }
  const ranks = longestWays(keys, below);
  for (const key of keys) {
    const children = below.get(key).map((to) => ranks.get(to) ?? 0);
    if (!used.has(key) && children.length > 0) ranks.set(key, Math.min(...children) - 1);
  }
  return ranks;
}
