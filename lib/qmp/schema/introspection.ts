// The answer of query-qmp-schema (QAPI: SchemaInfo). Names of types are numbers, as QEMU's are, since
// only what is on the wire is promised; builtin types and events keep theirs.

import type { Command } from '../command.js';
import type { BuiltinSchema, ObjectSchema, Schema } from './type.js';

type SchemaInfo = {
  readonly name: string;
  readonly 'meta-type': string;
  readonly [key: string]: unknown;
};

const JSON_TYPES: { readonly [name in BuiltinSchema['name']]: string } = {
  str: 'string',
  int: 'int',
  bool: 'boolean',
  number: 'number',
  null: 'null',
  any: 'value',
};

class Introspection {
  readonly infos: SchemaInfo[] = [];
  readonly #names = new Map<string, string>();

  /** The name of a type, which is described when it is met for the first time. */
  nameOf(schema: Schema): string {
    if (schema.meta === 'builtin') return this.#builtin(schema);
    if (schema.meta === 'array') return this.#array(schema.of());
    return this.#named(`${schema.meta} ${schema.name}`, (name) => this.#describe(name, schema));
  }

  empty(): string {
    return this.nameOf({ meta: 'object', name: '', members: () => ({}) });
  }

  #builtin({ name }: BuiltinSchema): string {
    if (this.#names.has(name)) return name;
    this.#names.set(name, name);
    this.infos.push({ name, 'meta-type': 'builtin', 'json-type': JSON_TYPES[name] });
    return name;
  }

  #array(of: Schema): string {
    const element = this.nameOf(of);
    const name = `[${element}]`;
    if (this.#names.has(name)) return name;
    this.#names.set(name, name);
    this.infos.push({ name, 'element-type': element, 'meta-type': 'array' });
    return name;
  }

  #named(key: string, describe: (name: string) => void): string {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = String(this.#names.size);
    this.#names.set(key, name);
    describe(name);
    return name;
  }

  #describe(name: string, schema: Exclude<Schema, { meta: 'builtin' | 'array' }>): void {
    if (schema.meta === 'enum') {
      const members = schema.values.map((value) => ({ name: value }));
      this.infos.push({ name, members, 'meta-type': 'enum', values: schema.values });
    } else if (schema.meta === 'alternate') {
      const members = schema.of().map((of) => ({ type: this.nameOf(of) }));
      this.infos.push({ name, members, 'meta-type': 'alternate' });
    } else {
      this.#object(name, schema);
    }
  }

  #object(name: string, { members, tag, variants }: ObjectSchema): void {
    const described = Object.entries(members()).map(([member, { schema, optional }]) => ({
      name: member,
      ...(optional ? { default: null } : {}),
      type: this.nameOf(schema),
    }));
    const cases = Object.entries(variants?.() ?? {}).map(([value, variant]) => ({
      case: value,
      type: this.nameOf(variant),
    }));
    this.infos.push({
      name,
      members: described,
      'meta-type': 'object',
      ...(tag === undefined ? {} : { tag, variants: cases }),
    });
  }
}

/** @param events names and types of the data of events. */
export function introspect(
  commands: Iterable<Command>,
  events: Iterable<readonly [name: string, data: Schema | undefined]>,
): SchemaInfo[] {
  const types = new Introspection();
  const infos: SchemaInfo[] = [...commands].map(({ name, arguments: args, returns }) => ({
    name,
    'ret-type': returns === undefined ? types.empty() : types.nameOf(returns.schema),
    'meta-type': 'command',
    'arg-type': types.nameOf(args.schema),
  }));
  for (const [name, data] of events) {
    const type = data === undefined ? types.empty() : types.nameOf(data);
    infos.push({ name, 'meta-type': 'event', 'arg-type': type });
  }
  return [...infos, ...types.infos];
}
