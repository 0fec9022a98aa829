// Types as QAPI has them. One declaration gives the check of what comes in, the TypeScript type, the
// answer of query-qmp-schema and the documentation.

export interface BuiltinSchema {
  readonly meta: 'builtin';
  readonly name: 'str' | 'int' | 'bool' | 'number' | 'null' | 'any';
  /** Of an 'int', both included. */
  readonly min?: number;
  readonly max?: number;
}

export interface EnumSchema {
  readonly meta: 'enum';
  readonly name: string;
  readonly values: readonly string[];
}

export interface ArraySchema {
  readonly meta: 'array';
  readonly of: () => Schema;
}

export interface MemberSchema {
  readonly schema: Schema;
  readonly optional: boolean;
}

export interface ObjectSchema {
  readonly meta: 'object';
  readonly name: string;
  readonly members: () => { readonly [name: string]: MemberSchema };
  /** The member that tells which of `variants` adds its members. */
  readonly tag?: string;
  readonly variants?: () => { readonly [tag: string]: ObjectSchema };
  /** Members that are not named here may be there as well. */
  readonly open?: boolean;
}

export interface AlternateSchema {
  readonly meta: 'alternate';
  readonly name: string;
  /** At most one of each kind of JSON value. */
  readonly of: () => readonly Schema[];
}

export type Schema = BuiltinSchema | EnumSchema | ArraySchema | ObjectSchema | AlternateSchema;

/** A schema, and the TypeScript type of what passes its check. */
export interface Type<T> {
  readonly schema: Schema;
  readonly optional: boolean;
  /** Only for the compiler. */
  readonly infer?: T;
}

export type Infer<T> = T extends Type<infer V> ? V : never;

export interface OptionalType<T> extends Type<T | undefined> {
  readonly optional: true;
}

export type Members = { readonly [name: string]: Type<unknown> };

type OptionalNames<M extends Members> = {
  [N in keyof M]: M[N] extends OptionalType<unknown> ? N : never;
}[keyof M];

export type ObjectOf<M extends Members> = {
  readonly [N in Exclude<keyof M, OptionalNames<M>>]: Infer<M[N]>;
} & { readonly [N in OptionalNames<M>]?: Infer<M[N]> };

function type<T>(schema: Schema): Type<T> {
  return { schema, optional: false };
}

export const str = type<string>({ meta: 'builtin', name: 'str' });
export const bool = type<boolean>({ meta: 'builtin', name: 'bool' });
export const number = type<number>({ meta: 'builtin', name: 'number' });
export const nothing = type<null>({ meta: 'builtin', name: 'null' });
/** Anything at all. */
export const any = type<unknown>({ meta: 'builtin', name: 'any' });

/** A whole number; QAPI's int8 ... uint64 and size are all shown as 'int'. */
export function int(
  min: number = Number.MIN_SAFE_INTEGER,
  max: number = Number.MAX_SAFE_INTEGER,
): Type<number> {
  return type({ meta: 'builtin', name: 'int', min, max });
}

export const int64 = int();
export const uint64 = int(0);
export const uint32 = int(0, 2 ** 32 - 1);
/** Bytes; as text it may have a suffix from B to E. */
export const size = uint64;

export function enumeration<const V extends readonly string[]>(
  name: string,
  values: V,
): Type<V[number]> {
  return type({ meta: 'enum', name, values });
}

export function array<T>(of: Type<T> | (() => Type<T>)): Type<readonly T[]> {
  return type({ meta: 'array', of: () => (typeof of === 'function' ? of() : of).schema });
}

export function optional<T>(of: Type<T>): OptionalType<T> {
  return { schema: of.schema, optional: true };
}

function memberSchemas(members: Members): { readonly [name: string]: MemberSchema } {
  return Object.fromEntries(
    Object.entries(members).map(([name, { schema, optional: isOptional }]) => [
      name,
      { schema, optional: isOptional },
    ]),
  );
}

/** @param members a function where types go round in circles. */
export function object<const M extends Members>(
  name: string,
  members: M | (() => M),
): Type<ObjectOf<M>> {
  const get = typeof members === 'function' ? members : () => members;
  return type({ meta: 'object', name, members: () => memberSchemas(get()) });
}

export interface Variant {
  readonly members: Members;
  readonly open?: boolean;
}

/**
 * Common members, and those of the variant that the member `tag` names; a value of the tag without a
 * variant adds none. To TypeScript it is what `T` says.
 */
export function union<T>(
  name: string,
  tag: string,
  base: () => Members,
  variants: () => { readonly [tag: string]: Variant },
): Type<T> {
  const schemaOf = ([value, { members, open = false }]: [string, Variant]) => [
    value,
    { meta: 'object', name: `${name}-${value}`, members: () => memberSchemas(members), open },
  ];
  return type({
    meta: 'object',
    name,
    members: () => memberSchemas(base()),
    tag,
    variants: () => Object.fromEntries(Object.entries(variants()).map(schemaOf)),
  });
}

export function alternate<T>(name: string, of: () => readonly Type<unknown>[]): Type<T> {
  return type({ meta: 'alternate', name, of: () => of().map(({ schema }) => schema) });
}
