// On what the scripts run: every alignment, in the page cache and past it, byte by byte and sector by
// sector.

const caches = [
  { cache: 'writeback', direct: false },
  { cache: 'none', direct: true },
];
const units = [1, 512];

/** How a node above the file asks for an alignment, on both sides: 1 is the file's own. */
function images(alignment, direct) {
  const ours = (filename) => {
    const file = { driver: 'file', filename, cache: { direct }, discard: 'unmap' };
    const aligned = {
      driver: 'x-probe',
      filter: true,
      'request-alignment': alignment,
      discard: 'unmap',
      file,
    };
    return { driver: 'raw', discard: 'unmap', file: alignment === 1 ? file : aligned };
  };
  const theirs = (filename) =>
    alignment === 1
      ? { driver: 'raw', 'file.driver': 'file', 'file.filename': filename }
      : {
          driver: 'raw',
          'file.driver': 'blkdebug',
          'file.align': alignment,
          'file.image.driver': 'file',
          'file.image.filename': filename,
        };
  return { ours, theirs };
}

/** Every setup: { name, unit, discardUnit, cache, ours(filename), theirs(filename) }. */
export function setups() {
  const all = [];
  for (const alignment of [1, 512, 4096]) {
    for (const { cache, direct } of caches) {
      for (const unit of units) {
        all.push({
          name: `alignment ${alignment}, cache=${cache}, requests of ${unit} bytes and more`,
          unit,
          // blkdebug discards whole blocks only.
          discardUnit: alignment,
          cache,
          ...images(alignment, direct),
        });
      }
    }
  }
  return all;
}
