// Option strings of both kinds.
import { OptionsError } from '../../lib/options/comma-list.js';
import { parseKeyval } from '../../lib/options/keyval.js';
import { parseQemuOpts } from '../../lib/options/qemu-opts.js';

describe('key=value lists', () => {
  test.each([
    ['driver=file,filename=a', { driver: 'file', filename: 'a' }],
    ['a.b=1,a.c=2', { a: { b: '1', c: '2' } }],
    ['list.0=x,list.1=y', { list: ['x', 'y'] }],
    ['list.1=y,list.0.z=x', { list: [{ z: 'x' }, 'y'] }],
    ['a=b,,c', { a: 'b,c' }],
    ['a=,,,b=1', { a: ',', b: '1' }],
    ['a=1,a=2', { a: '2' }],
    ['a=b=c', { a: 'b=c' }],
    ['a=', { a: '' }],
    ['a=1,', { a: '1' }],
    ['', {}],
  ])('%s', (text, value) => {
    expect(parseKeyval(text)).toEqual(value);
  });

  test('a first value may have its key implied', () => {
    expect(parseKeyval('file,node-name=n', 'driver')).toEqual({ driver: 'file', 'node-name': 'n' });
    expect(parseKeyval('driver=file', 'driver')).toEqual({ driver: 'file' });
    expect(() => parseKeyval('=file', 'driver')).toThrow("'=file' has no key, as in key=value");
  });

  test.each([
    ['a'],
    ['a=1,b'],
    ['=1'],
    ['a..b=1'],
    ['a b=1'],
    ['a=1,a.b=2'],
    ['a.b=2,a=1'],
    ['l.0=x,l.2=y'],
    ['l.0=x,l.y=z'],
    [`${'k'.repeat(128)}=1`],
  ])('%s is refused', (text) => {
    expect(() => parseKeyval(text)).toThrow(OptionsError);
  });
});

describe('older option strings', () => {
  test('names without a value are switches', () => {
    expect([...parseQemuOpts('file=a,,b,readonly,nowait,id=x', { implied: 'file' })]).toEqual([
      ['file', 'a,b'],
      ['readonly', 'on'],
      ['wait', 'off'],
      ['id', 'x'],
    ]);
  });

  test('of a name that is given twice the last one counts, and a first value may be implied', () => {
    expect([...parseQemuOpts('socket,id=a,id=b', { implied: 'backend' })]).toEqual([
      ['backend', 'socket'],
      ['id', 'b'],
    ]);
  });
});
