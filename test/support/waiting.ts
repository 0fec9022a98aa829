// Waiting without a clock: for what another thread is about to do.

/** One full turn of Node's loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Lets the loop turn until `holds()`. What never comes is reported by the test's own time limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** Whether the promise has settled by now. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = {};
  const first = await Promise.race([promise.catch(() => undefined), turn().then(() => pending)]);
  return first !== pending;
}

/** A promise and what settles it. */
export function deferred<T = void>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
} {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}
