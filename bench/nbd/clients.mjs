// What genuine clients do with a server, and how fast.
import { execute } from '../lib/child.mjs';

const NANOSECONDS = 1e9;

function fio(name, rw, depth) {
  return {
    name: `fio, 4 KiB ${name}, depth ${depth}`,
    unit: 'requests/s',
    program: 'fio',
    async run(uri, { seconds }) {
      const { stdout } = await execute('fio', [
        ...['--name=nbd', '--ioengine=nbd', `--uri=${uri}`, `--rw=${rw}`, '--bs=4k'],
        ...[`--iodepth=${depth}`, `--runtime=${seconds}`, '--time_based', '--randrepeat=0'],
        '--output-format=json',
      ]);
      const [job] = JSON.parse(stdout.slice(stdout.indexOf('{'))).jobs;
      const { iops, total_ios: requests } = rw === 'randread' ? job.read : job.write;
      return { rate: iops, requests };
    },
  };
}

/** All of the image, in requests of 256 KiB over four connections, as nbdcopy does by itself. */
function nbdcopy(name, places) {
  return {
    name: `nbdcopy, ${name}`,
    unit: 'MiB/s',
    program: 'nbdcopy',
    async run(uri, { bytes, source }) {
      const start = process.hrtime.bigint();
      await execute('nbdcopy', places(uri, source));
      const seconds = Number(process.hrtime.bigint() - start) / NANOSECONDS;
      return { rate: bytes / 2 ** 20 / seconds, requests: bytes / 2 ** 18 };
    },
  };
}

export const CLIENTS = [
  fio('random reads', 'randread', 1),
  fio('random reads', 'randread', 32),
  fio('random writes', 'randwrite', 1),
  fio('random writes', 'randwrite', 32),
  nbdcopy('all of it read', (uri) => [uri, 'null:']),
  nbdcopy('all of it written', (uri, source) => [source, uri]),
];
