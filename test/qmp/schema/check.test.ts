// Values against types, in JSON and in texts of a command line.
import { check, type ValueForm } from '../../../lib/qmp/schema/check.js';
import {
  alternate,
  array,
  bool,
  enumeration,
  int,
  nothing,
  number,
  object,
  optional,
  str,
  type Type,
  uint32,
  union,
} from '../../../lib/qmp/schema/type.js';

const checked = (type: Type<unknown>, value: unknown, form: ValueForm = 'json'): unknown =>
  check(type.schema, value, { form, path: '' });

const drive = object('Drive', {
  id: str,
  ro: optional(bool),
  cache: optional(object('Cache', { direct: optional(bool) })),
});

describe('JSON', () => {
  test('values of the right types pass as they are', () => {
    const value = { id: 'd', ro: true, cache: { direct: false } };
    expect(checked(drive, value)).toEqual(value);
    expect(checked(drive, { id: 'd' })).toEqual({ id: 'd' });
  });

  test.each([
    [{}, "'id' is missing"],
    [{ id: 5 }, "'id': expected a string, not the number 5"],
    [{ id: 'd', ro: 'on' }, "'ro': expected true or false, not the string 'on'"],
    [{ id: 'd', ro: null }, "'ro': expected true or false, not null"],
    [{ id: 'd', cache: [] }, "'cache': expected an object, not an array"],
    [{ id: 'd', cache: { x: 1 } }, "'cache.x' is unexpected"],
    [{ id: 'd', more: 1 }, "'more' is unexpected"],
    [[], 'expected an object, not an array'],
    ['d', "expected an object, not the string 'd'"],
    [null, 'expected an object, not null'],
  ])('%j: %s', (value, message) => {
    expect(() => checked(drive, value)).toThrow(message);
  });

  test('integers have a range, and no fraction', () => {
    expect(checked(uint32, 4_294_967_295)).toBe(4_294_967_295);
    for (const value of [-1, 4_294_967_296, 1.5, '1', true]) {
      expect(() => checked(uint32, value)).toThrow(/expected an integer/);
    }
    expect(() => checked(int(), 2 ** 53)).toThrow(/an integer from/);
    expect(checked(number, 1.5)).toBe(1.5);
  });

  test('an enumeration names its values', () => {
    const mode = enumeration('Mode', ['on', 'off']);
    expect(checked(mode, 'on')).toBe('on');
    expect(() => checked(mode, 'maybe')).toThrow("expected one of on, off, not the string 'maybe'");
  });

  test('an alternate goes by the kind of value', () => {
    const ref = alternate('Ref', () => [drive, str, nothing]);
    for (const value of ['n', null, { id: 'x' }]) expect(checked(ref, value)).toEqual(value);
    expect(() => checked(ref, 5)).toThrow('expected a value of another type, not the number 5');
    expect(() => checked(ref, { ro: true })).toThrow("'id' is missing");
  });

  test('a tag adds the members of its variant, and only those', () => {
    const shape = union(
      'Shape',
      'kind',
      () => ({ kind: enumeration('Kind', ['a', 'b', 'c']) }),
      () => ({
        a: { members: { x: int() } },
        c: { members: {}, open: true },
      }),
    );
    expect(checked(shape, { kind: 'a', x: 1 })).toEqual({ kind: 'a', x: 1 });
    expect(checked(shape, { kind: 'b' })).toEqual({ kind: 'b' });
    expect(checked(shape, { kind: 'c', free: [1] })).toEqual({ kind: 'c', free: [1] });
    expect(() => checked(shape, { kind: 'b', x: 1 })).toThrow("'x' is unexpected");
    expect(() => checked(shape, { kind: 'a' })).toThrow("'x' is missing");
    expect(() => checked(shape, { kind: 'd' })).toThrow("'kind': expected one of a, b, c");
    expect(() => checked(shape, { x: 1 })).toThrow("'kind' is missing");
  });

  test('elements of arrays are told by their index', () => {
    expect(checked(array(str), ['a', 'b'])).toEqual(['a', 'b']);
    expect(() => checked(array(str), ['a', 1])).toThrow("'1': expected a string");
  });

  test('members that all objects have are not taken for given ones', () => {
    expect(() => checked(object('O', { constructor: str }), {})).toThrow(
      "'constructor' is missing",
    );
    expect(() => checked(object('O', {}), JSON.parse('{"__proto__": 1}'))).toThrow('is unexpected');
  });
});

describe('texts of a command line', () => {
  test.each([
    [bool, 'on', true],
    [bool, 'no', false],
    [int(), '4096', 4096],
    [int(), '0x1000', 4096],
    [int(), '-5', -5],
    [int(), '64k', 65_536],
    [int(), '1.5M', 1_572_864],
    [str, '5', '5'],
  ])('%j of %s is %j', (type, text, value) => {
    expect(checked(type as Type<unknown>, text, 'text')).toBe(value);
  });

  test.each([
    [bool, 'maybe'],
    [int(), ''],
    [int(), '12x'],
    [int(), '1e3'],
    [uint32, '-1'],
  ])('%j: %s is refused', (type, text) => {
    expect(() => checked(type as Type<unknown>, text, 'text')).toThrow(/expected/);
  });
});
