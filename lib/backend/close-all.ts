// Who uses backends and must let go of them before the end of a machine.

const hooks: (() => Promise<void>)[] = [];

/** `end` is called by `BlockBackend.closeAll()`, before anything else; for what stands above backends. */
export function beforeCloseAll(end: () => Promise<void>): void {
  hooks.push(end);
}

/** @internal */
export async function endUsers(): Promise<void> {
  await Promise.all(hooks.map((end) => end()));
}
