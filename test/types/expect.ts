// What the compiler is asked about types. Nothing here runs.

/** Whether both are the same type, not only assignable to each other. */
export type Same<One, Other> =
  (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;

/** Does not compile unless the type is true. */
export function holds<_Fact extends true>(): void {}
