// Sizes as people write them.

const UNITS: { readonly [letter: string]: number } = {
  '': 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
  e: 1024 ** 6,
};

/** '4096', '0x1000', '4k', '1.5M'; undefined for anything else. */
export function sizeOf(text: string): number | undefined {
  const match = /^\s*(?:(0[xX][0-9a-fA-F]+)|(-?\d+(?:\.\d*)?)([bBkKmMgGtTpPeE]?))$/.exec(text);
  if (match === null) return undefined;
  const [, hexadecimal, digits = '', unit = ''] = match;
  if (hexadecimal !== undefined) return Number(hexadecimal);
  return Math.floor(Number(digits) * (UNITS[unit.toLowerCase()] ?? 1));
}
