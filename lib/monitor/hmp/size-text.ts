// Sizes as QEMU's human monitor and qemu-img write them: '1 MiB', '1.5 GiB', '977 KiB'.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
const STEP = 1024;

/** From 1000 of a unit on the next one is used, so that there are never more than three digits. */
export function sizeText(bytes: number): string {
  let unit = 0;
  for (let left = bytes / (1000 / STEP); left >= STEP; left /= STEP) unit += 1;
  return `${general(bytes / STEP ** unit)} ${UNITS[unit]}`;
}

/** C's %0.3g, of what is less than 1024: exactly between two, the even one is taken. */
function general(value: number): string {
  const decimals = [100, 10, 1].filter((bound) => value < bound).length;
  const scale = 10 ** decimals;
  const rounded = roundToEven(value * scale);
  return rounded === 1000 * scale ? '1e+03' : String(rounded / scale);
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 && below % 2 === 0 ? below : Math.round(value);
}
