// Options as QEMU's older command lines have them: 'file=disk.img,id=d0,readonly' (util/qemu-option.c).

import { splitAtCommas } from './comma-list.js';

/**
 * Of a name that is given twice the last one counts. A name without a value is 'on', and with 'no'
 * before it 'off'.
 *
 * @param implied the key of a first value without one.
 */
export function parseQemuOpts(text: string, implied?: string): Map<string, string> {
  const options = new Map<string, string>();
  const parts = splitAtCommas(text);
  if (parts.at(-1) === '') parts.pop();
  for (const [index, part] of parts.entries()) {
    const at = part.indexOf('=');
    if (at >= 0) options.set(part.slice(0, at), part.slice(at + 1));
    else if (index === 0 && implied !== undefined) options.set(implied, part);
    else if (part.startsWith('no')) options.set(part.slice('no'.length), 'off');
    else options.set(part, 'on');
  }
  return options;
}
