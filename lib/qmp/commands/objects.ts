// Objects that users make by name.

import {
  objectAdd,
  objectDel,
  objectTypes,
  qomGet,
  qomList,
  qomSet,
} from '../../monitor/objects/objects.js';
import { ENDPOINT_TYPE, ENDPOINTS } from '../../monitor/objects/tls-creds-object.js';
import { command, DEVICE_NOT_FOUND } from '../command.js';
import {
  any,
  array,
  bool,
  enumeration,
  int64,
  type Members,
  object,
  optional,
  str,
  type Type,
  union,
} from '../schema/type.js';

/** What QOM calls the types of properties. */
function typeNamed(kind: string): Type<unknown> {
  const types: Readonly<Record<string, Type<unknown>>> = {
    int: int64,
    bool,
    string: str,
    ThrottleLimits: throttleLimits,
    [ENDPOINT_TYPE]: enumeration(ENDPOINT_TYPE, ENDPOINTS),
  };
  return types[kind] ?? any;
}

function propertiesOf(type: string): Members {
  const found = objectTypes().find(({ name }) => name === type);
  return Object.fromEntries(
    (found?.properties ?? []).map(({ name, type: kind }) => [name, optional(typeNamed(kind))]),
  );
}

const throttleLimits = object('ThrottleLimits', () =>
  Object.fromEntries(
    (objectTypes().find(({ name }) => name === 'throttle-group')?.properties ?? [])
      .filter(({ type }) => type === 'int')
      .map(({ name }) => [name.slice('x-'.length), optional(int64)]),
  ),
);

type ObjectOptions = Parameters<typeof objectAdd>[0];

const typeNames = objectTypes().map(({ name }) => name);

export const objectOptions = union<ObjectOptions>(
  'ObjectOptions',
  'qom-type',
  () => ({ 'qom-type': enumeration('ObjectType', typeNames), id: str }),
  () => Object.fromEntries(typeNames.map((name) => [name, { members: propertiesOf(name) }])),
);

const propertyInfo = object('ObjectPropertyInfo', { name: str, type: str });

export const objectCommands = [
  command('object-add', objectOptions, {
    doc: 'Makes an object: a throttle group, an IOThread, or credentials for TLS.',
    run: objectAdd,
  }),
  command(
    'object-del',
    { id: str },
    { doc: 'Ends an object that nobody uses.', run: ({ id }) => objectDel(id) },
  ),
  command(
    'qom-get',
    { path: str, property: str },
    {
      doc: 'A property of an object.',
      returns: any,
      classes: DEVICE_NOT_FOUND,
      run: ({ path, property }) => qomGet(path, property),
    },
  ),
  command(
    'qom-set',
    { path: str, property: str, value: any },
    {
      doc: 'Changes a property of an object; of the limits of a throttle group those that are given.',
      classes: DEVICE_NOT_FOUND,
      run: ({ path, property, value }) => qomSet(path, property, value),
    },
  ),
  command(
    'qom-list',
    { path: str },
    {
      doc: 'The properties of an object; of /objects the objects.',
      returns: array(propertyInfo),
      classes: DEVICE_NOT_FOUND,
      run: ({ path }) => qomList(path),
    },
  ),
];
