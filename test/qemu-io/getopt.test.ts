import { Getopt, type LongOption } from '../../lib/qemu-io/getopt';
import { splitCommand } from '../../lib/qemu-io/tokens';

const LONG: readonly LongOption[] = [
  { name: 'format', hasArgument: true, letter: 'f' },
  { name: 'force-share', hasArgument: false, letter: 'U' },
  { name: 'force', hasArgument: false, letter: 'x' },
];

function parse(line: string, spec: string, long: readonly LongOption[] = []) {
  const said: string[] = [];
  const getopt = new Getopt(splitCommand(line), spec, (text) => said.push(text), long);
  const options = [...getopt.read()].map(({ letter, argument }) => letter + argument);
  return { options, operands: getopt.operands, permuted: getopt.permuted.join(' '), said };
}

describe('getopt', () => {
  test('getopt: blanks part words, and nothing else does', () => {
    expect(splitCommand('  a  "b c"\td ')).toEqual(['a', '"b', 'c"\td']);
    expect(splitCommand('')).toEqual([]);
    expect(splitCommand('a\0b c')).toEqual(['a']);
  });

  test('getopt: letters share a dash, arguments are glued or apart', () => {
    expect(parse('cmd -ab -P1 -P 2 x', 'abP:')).toEqual({
      options: ['a', 'b', 'P1', 'P2'],
      operands: ['x'],
      permuted: 'cmd -ab -P1 -P 2 x',
      said: [],
    });
    expect(parse('cmd -aP -b', 'abP:').options).toEqual(['a', 'P-b']);
  });

  test('getopt: options may stand behind operands, until --', () => {
    const { options, operands, permuted } = parse('cmd x -a y - -- -b', 'ab');
    expect({ options, operands }).toEqual({ options: ['a'], operands: ['x', 'y', '-', '-b'] });
    expect(permuted).toBe('cmd -a -- x y - -b');
  });

  test('getopt: what is wrong is said, one line for each', () => {
    expect(parse('cmd -xa -:', 'aP:').said).toEqual([
      "cmd: invalid option -- 'x'",
      "cmd: invalid option -- ':'",
    ]);
    expect(parse('cmd -P', 'aP:')).toMatchObject({
      options: ['?'],
      said: ["cmd: option requires an argument -- 'P'"],
    });
    expect(parse('cmd --a', 'a').said).toEqual(["cmd: invalid option -- '-'"]);
  });

  test('getopt: who stops reading does not hear of what is behind', () => {
    const said: string[] = [];
    const getopt = new Getopt(['cmd', '-a', '-x'], 'a', (text) => said.push(text));
    for (const { letter } of getopt.read()) if (letter === 'a') break;
    expect(said).toEqual([]);
  });

  test('getopt: long names may be shortened and take arguments in two ways', () => {
    const { options } = parse('cmd --form raw --format=a=b --force --force-s', 'f:U', LONG);
    expect(options).toEqual(['fraw', 'fa=b', 'x', 'U']);
  });

  test.each([
    ['--frob', "unrecognized option '--frob'"],
    ['--frob=1', "unrecognized option '--frob=1'"],
    ['--fo', "option '--fo' is ambiguous; possibilities: '--format' '--force-share' '--force'"],
    ['--forc', "option '--forc' is ambiguous; possibilities: '--force-share' '--force'"],
    ['--force=1', "option '--force' doesn't allow an argument"],
    ['--format', "option '--format' requires an argument"],
    ['-f', "option requires an argument -- 'f'"],
  ])('getopt: long names, %s is wrong', (word, sentence) => {
    expect(parse(`cmd ${word}`, 'f:U', LONG)).toMatchObject({
      options: ['?'],
      said: [`cmd: ${sentence}`],
    });
  });
});
