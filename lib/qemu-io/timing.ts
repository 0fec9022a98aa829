// How long something took, as reports show it.

const MINUTE = 60;
const HOUR = 3600;

/** Seconds since the function was called that gave it. */
export type Stopwatch = () => number;

export function startWatch(): Stopwatch {
  const start = process.hrtime.bigint();
  return () => Number(process.hrtime.bigint() - start) / 1e9;
}

function padded(value: number, width: number, decimals: number): string {
  return value.toFixed(decimals).padStart(width, '0');
}

/** '00.01 sec' below a second, else, or with `fixed`, '0:00:01.25'. */
export function durationText(seconds: number, fixed = false): string {
  if (!fixed && seconds < 1) return `${padded(seconds, 5, 2)} sec`;
  const whole = Math.floor(seconds);
  const hours = Math.floor(whole / HOUR);
  const minutes = Math.floor((whole % HOUR) / MINUTE);
  const rest = (whole % MINUTE) + (seconds - whole);
  return `${hours}:${padded(minutes, 2, 0)}:${padded(rest, 5, 2)}`;
}
