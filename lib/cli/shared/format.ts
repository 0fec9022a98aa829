// Numbers as people read them.

const MIB = 1024 ** 2;

const integers = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1234567.8 -> '1,234,568' */
export function count(value: number): string {
  return integers.format(value);
}

/** Three significant digits, but never an exponent: 0.1234 -> '0.123', 1234 -> '1,234'. */
export function significant(value: number): string {
  if (value >= 100) return count(value);
  return value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : 3);
}

export function bytes(value: number): string {
  let scaled = value;
  for (const unit of ['bytes', 'KiB', 'MiB', 'GiB']) {
    if (scaled < 1024) return `${Number.isInteger(scaled) ? scaled : significant(scaled)} ${unit}`;
    scaled /= 1024;
  }
  return `${significant(scaled)} TiB`;
}

export function mibPerSecond(bytesPerSecond: number): string {
  return significant(bytesPerSecond / MIB);
}

/** 1234 -> '1.23 us' */
export function latency(nanoseconds: number): string {
  if (nanoseconds < 1000) return `${count(nanoseconds)} ns`;
  if (nanoseconds < 1e6) return `${significant(nanoseconds / 1e3)} us`;
  if (nanoseconds < 1e9) return `${significant(nanoseconds / 1e6)} ms`;
  return seconds(nanoseconds / 1e9);
}

export function seconds(value: number): string {
  return `${significant(value)} s`;
}
