// Sizes as QEMU's human monitor and qemu-img write them: '1 MiB', '1.5 GiB', '977 KiB'.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
const DIGITS = 3;
const STEP = 1024;

/** From 1000 of a unit on the next one is used, so that there are never more than three digits. */
export function sizeText(bytes: number): string {
  let unit = 0;
  for (let left = bytes / (1000 / STEP); left >= STEP; left /= STEP) unit += 1;
  return `${general(bytes / STEP ** unit)} ${UNITS[unit]}`;
}

/** C's %0.3g. */
function general(value: number): string {
  const [digits = '', exponent] = value.toPrecision(DIGITS).split('e');
  const short = digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
  return exponent === undefined ? short : `${short}e+${exponent.slice(1).padStart(2, '0')}`;
}
