// Says where two runs of a command line differ. Of the text it masks what cannot agree: times.
import { DISK_BYTES, MARKER } from './generator.mjs';

const MARKED = 'q -- exit the program';

const PROMPT = 'qemu-io> ';

function masked(line) {
  return line
    .replace(/^(.* ops); .*\/sec and .* ops\/sec\)$/, '$1; TIME')
    .replace(/^(\d+,\d+),[\d:.]+,[-\w.]+,[-\w.]+$/, '$1,TIME')
    .replace(/#block\d+/, '#block');
}

/** What is told while a prompt waits can come before or after it; how many there are is compared. */
const withoutPrompts = (text) => text.replaceAll(PROMPT, '');
const byText = (one, other) => (one < other ? -1 : Number(one > other));
const promptsIn = (text) => text.split(PROMPT).length - 1;

/** Lines that can be compared one by one: between two markers they have no order. */
export function comparable(text) {
  const result = [];
  let unordered;
  for (const line of withoutPrompts(text).split('\n').map(masked)) {
    if (line.endsWith(MARKED)) {
      if (unordered !== undefined) result.push(...unordered.sort(byText));
      unordered = unordered === undefined ? [] : undefined;
      result.push(line);
    } else if (unordered === undefined) result.push(line);
    else unordered.push(line);
  }
  return unordered === undefined ? result : [...result, ...unordered.sort(byText)];
}

function firstDifference(what, ours, theirs) {
  const [own, other] = [comparable(ours), comparable(theirs)];
  const at = Array.from({ length: Math.max(own.length, other.length) }).findIndex(
    (_, index) => own[index] !== other[index],
  );
  if (at < 0) return undefined;
  return `${what}, line ${at + 1}:\n  here:    ${own[at]}\n  qemu-io: ${other[at]}`;
}

/** What is told in other words here, or not at all; docs/differences.md has the reasons. */
const OWN_WORDS = [
  // The usage of the program and the long help of commands.
  { here: /^Usage: qemu-io /, there: /^Usage: qemu-io / },
  { here: /^qemu-io version /, there: /^qemu-io version / },
];

function isOwnText(ours, theirs) {
  return OWN_WORDS.some(({ here, there }) => here.test(ours) && there.test(theirs));
}

/** A sentence about the first difference; undefined: there is none. */
export function differenceOf(ours, theirs) {
  const prompts = [ours, theirs].map(({ stdout }) => promptsIn(stdout));
  if (prompts[0] !== prompts[1]) return `${prompts[0]} prompts here, ${prompts[1]} in qemu-io`;
  if (ours.code !== theirs.code) return `exit code ${ours.code} here, ${theirs.code} for qemu-io`;
  const out = isOwnText(ours.stdout, theirs.stdout)
    ? undefined
    : firstDifference('standard output', ours.stdout, theirs.stdout);
  if (out !== undefined) return out;
  const err = firstDifference('standard error', ours.stderr, theirs.stderr);
  if (err !== undefined) return err;
  if (!ours.disk.equals(theirs.disk)) {
    const at = ours.disk.findIndex((byte, index) => byte !== theirs.disk[index]);
    return `the disks differ from byte ${at} on (${ours.disk.length} and ${theirs.disk.length} bytes)`;
  }
  return undefined;
}

export { DISK_BYTES, MARKER };
