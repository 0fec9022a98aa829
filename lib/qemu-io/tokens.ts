/**
 * The words of a command line: only blanks part them, and nothing quotes, as in qemu-io. What
 * follows a zero byte does not belong to it.
 */
export function splitCommand(line: string): string[] {
  const [text = ''] = line.split('\0', 1);
  return text.split(' ').filter((word) => word !== '');
}
