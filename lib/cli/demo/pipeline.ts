/** Returned by a source whose next item cannot start before one under way is done. */
export const WAIT = Symbol('wait');

/**
 * Keeps a task running on every lane until `next` has no more items. After a failure no further
 * task starts; rejects with the first one when those under way are done.
 */
export function pipeline<Lane, Item>(
  lanes: readonly Lane[],
  next: () => Item | typeof WAIT | undefined,
  run: (item: Item, lane: Lane) => Promise<void>,
): Promise<void> {
  const free = [...lanes];
  const failures: unknown[] = [];
  return new Promise((resolve, reject) => {
    function finished(lane: Lane): void {
      free.push(lane);
      pump();
    }
    function start(item: Item, lane: Lane): void {
      run(item, lane).then(
        () => finished(lane),
        (error: unknown) => {
          failures.push(error);
          finished(lane);
        },
      );
    }
    function pump(): void {
      while (free.length > 0 && failures.length === 0) {
        const item = next();
        if (item === undefined || item === WAIT) break;
        start(item, free.pop() as Lane);
      }
      if (free.length < lanes.length) return;
      if (failures.length > 0) reject(failures[0] as Error);
      else resolve();
    }
    pump();
  });
}
