// Lists with commas between, as in all option strings of QEMU.

/** The text is wrong; the message says where. */
export class OptionsError extends Error {}
OptionsError.prototype.name = 'OptionsError';

/** A comma within an element is written as two; one at the end is as good as none. */
export function splitAtCommas(text: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (let at = 0; at < text.length; at += 1) {
    const isComma = text[at] === ',';
    if (isComma && text[at + 1] !== ',') {
      parts.push(part);
      part = '';
    } else {
      part += text[at];
      if (isComma) at += 1;
    }
  }
  if (part !== '') parts.push(part);
  return parts;
}
