// Objects that have names of their own, whether a monitor or JavaScript has made them (QMP: object-add,
// object-del, qom-get, qom-set, qom-list).

import { BlockError } from '../../errors/block-error.js';
import { Errno } from '../../errors/errno.js';
import { isWellFormedName } from '../../graph/names.js';
import { iothreadType } from './iothread-object.js';
import type { ObjectPropertyInfo, ObjectType, UserObject } from './object-type.js';
import { throttleGroupType } from './throttle-group-object.js';
import { tlsCredsTypes } from './tls-creds-object.js';

const TYPES: readonly ObjectType[] = [throttleGroupType, iothreadType, ...tlsCredsTypes];

/** Where they stand in QEMU's tree of all objects. */
const CONTAINER = '/objects';

/** What all of them have beside their own. */
const TYPE_PROPERTY: ObjectPropertyInfo = { name: 'type', type: 'string' };

function hasProperty({ properties }: ObjectType, wanted: string): boolean {
  return properties.some(({ name }) => name === wanted);
}

interface Found {
  readonly type: ObjectType;
  readonly object: UserObject;
}

function find(id: string): Found | undefined {
  for (const type of TYPES) {
    const object = type.find(id);
    if (object !== undefined) return { type, object };
  }
  return undefined;
}

function failure(errno: number, operation: string, text: string): BlockError {
  return new BlockError(errno, { operation, text });
}

/** QAPI: ObjectOptions. */
export interface ObjectOptions {
  /** 'throttle-group', 'iothread', 'tls-creds-x509' or 'tls-creds-psk'. */
  readonly 'qom-type': string;
  readonly id: string;
  readonly [property: string]: unknown;
}

/** The kinds that there are. */
export function objectTypes(): readonly ObjectType[] {
  return TYPES;
}

function typeNamed(name: string, operation: string): ObjectType {
  const type = TYPES.find((one) => one.name === name);
  if (type !== undefined) return type;
  const names = TYPES.map((one) => one.name).join(', ');
  throw failure(
    Errno.EINVAL,
    operation,
    `there is no type '${name}' of objects; there are ${names}`,
  );
}

/**
 * Makes an object: a throttle group, an IOThread, credentials. (QMP: object-add)
 *
 * @throws BlockError EINVAL for an unknown type, an id that is not well-formed, or properties that
 * the type does not take; EEXIST for an id that is taken.
 */
export function objectAdd({ 'qom-type': typeName, id, ...properties }: ObjectOptions): void {
  const operation = 'object-add';
  const type = typeNamed(typeName, operation);
  if (typeof id !== 'string' || !isWellFormedName(id)) {
    throw failure(Errno.EINVAL, operation, `'${String(id)}' is no well-formed id`);
  }
  if (find(id) !== undefined)
    throw failure(Errno.EEXIST, operation, `there is an object '${id}' already`);
  for (const name of Object.keys(properties)) {
    if (hasProperty(type, name)) continue;
    throw failure(Errno.EINVAL, operation, `a ${type.name} has no property '${name}'`);
  }
  type.create(id, properties);
}

/**
 * Deletes an object. (QMP: object-del)
 *
 * @throws (rejects) BlockError ENOENT for an unknown id; EBUSY while somebody uses the object.
 */
export async function objectDel(id: string): Promise<void> {
  const found = find(id);
  if (found === undefined) throw failure(Errno.ENOENT, 'object-del', `there is no object '${id}'`);
  await found.object.delete();
}

/** By its id, or by its path from the root. */
function objectAt(path: string, operation: string): Found {
  const id = path.startsWith(`${CONTAINER}/`) ? path.slice(CONTAINER.length + 1) : path;
  const found = find(id);
  if (found !== undefined) return found;
  throw failure(Errno.ENODEV, operation, `there is no object at '${path}'`);
}

/**
 * A property of an object, by its path or id. (QMP: qom-get)
 *
 * @throws BlockError ENODEV for an unknown path, ENOENT for an unknown property.
 */
export function qomGet(path: string, property: string): unknown {
  const { type, object } = objectAt(path, 'qom-get');
  if (property === TYPE_PROPERTY.name) return type.name;
  if (hasProperty(type, property)) return object.get(property);
  throw failure(Errno.ENOENT, 'qom-get', `a ${type.name} has no property '${property}'`);
}

/**
 * Sets a property of an object. (QMP: qom-set)
 *
 * @throws BlockError as {@link qomGet}, and what the property does not take.
 */
export function qomSet(path: string, property: string, value: unknown): void {
  const { type, object } = objectAt(path, 'qom-set');
  if (!hasProperty(type, property)) {
    throw failure(Errno.ENOENT, 'qom-set', `a ${type.name} has no property '${property}' to set`);
  }
  object.set(property, value);
}

/**
 * Properties, and of `/objects` the objects. (QMP: qom-list)
 *
 * @throws BlockError ENODEV for an unknown path.
 */
export function qomList(path: string): ObjectPropertyInfo[] {
  if (path === CONTAINER || path === 'objects') {
    const children = TYPES.flatMap((type) =>
      type.ids().map((name) => ({ name, type: `child<${type.name}>` })),
    );
    return [TYPE_PROPERTY, ...children];
  }
  return [TYPE_PROPERTY, ...objectAt(path, 'qom-list').type.properties];
}
