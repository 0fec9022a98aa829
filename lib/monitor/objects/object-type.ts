// Kinds of objects that a user can make by name (QOM: TYPE_USER_CREATABLE).

/** QAPI: ObjectPropertyInfo. */
export interface ObjectPropertyInfo {
  readonly name: string;
  readonly type: string;
}

export interface UserObject {
  /** @throws BlockError while it is in use. */
  delete(): void | Promise<void>;
  /** Of one of its type's properties, like `set`. */
  get(property: string): unknown;
  /** @throws BlockError EINVAL for a value that does not fit, EPERM for what cannot be changed. */
  set(property: string, value: unknown): void;
}

export interface ObjectType {
  /** QAPI: ObjectType. */
  readonly name: string;
  /** Beside `type`, which all have. */
  readonly properties: readonly ObjectPropertyInfo[];
  /** @throws BlockError */
  create(id: string, properties: Readonly<Record<string, unknown>>): void;
  /** Also one that JavaScript has made. */
  find(id: string): UserObject | undefined;
  /** In order of creation. */
  ids(): string[];
}
