// `npm run bench:nbd`: a raw image over a unix socket, served by this package and by others.
//
// All servers run in turns; every one is a process of its own, started anew for every run. Their CPU
// time is what /proc says of the process, clients not included.
import { execFileSync } from 'node:child_process';
import { closeSync, fdatasyncSync, openSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseFlags } from './lib/flags.mjs';
import { readIntoCache, withImage } from './lib/image.mjs';
import { log, printTable, report, run as runBench } from './lib/report.mjs';
import { median } from './lib/statistics.mjs';
import { CLIENTS } from './nbd/clients.mjs';
import { OURS, SERVERS, Server } from './nbd/servers.mjs';

const USAGE = `Usage: npm run bench:nbd -- [--only TEXT] [--quick] [--check] [--json]

Compares this package's NBD server with qemu-nbd, qemu-storage-daemon and nbdkit's
file plugin: rate, and CPU time of the server for a request.

  --only TEXT  rows whose name has it
  --quick      short runs: for trying out, not for conclusions
  --check      exit with 1 if a target was missed
  --json       print the rows as JSON
`;

const MIB = 2 ** 20;
const FULL = { bytes: 1024 * MIB, rounds: 3, seconds: 5 };
const QUICK = { bytes: 128 * MIB, rounds: 1, seconds: 1 };

function isInstalled(program) {
  try {
    execFileSync('which', [program], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What is dirty is written first: it could not be dropped. False: that needs root. */
function dropCache(filename) {
  const file = openSync(filename, 'r');
  fdatasyncSync(file);
  closeSync(file);
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}

let sockets = 0;

async function measure(name, client, { image, source, bytes, seconds, cold }) {
  sockets += 1;
  if (cold) dropCache(image);
  else readIntoCache(image);
  const server = new Server(name, image, join(dirname(image), `nbd${sockets}`));
  try {
    await server.ready();
    const before = server.cpu;
    const { rate, requests } = await client.run(server.uri, { seconds, bytes, source });
    return { rate, cpu: (server.cpu - before) / requests };
  } finally {
    await server.stop();
  }
}

/** In turns, each round beginning with another one. */
async function measureAll(servers, client, settings) {
  const found = Object.fromEntries(servers.map((name) => [name, { rate: [], cpu: [] }]));
  for (let round = 0; round < settings.rounds; round += 1) {
    for (let turn = 0; turn < servers.length; turn += 1) {
      const name = servers[(round + turn) % servers.length];
      log(`${client.name}${settings.cold ? ', cold' : ''}: ${name}, round ${round + 1}`);
      const { rate, cpu } = await measure(name, client, settings);
      found[name].rate.push(rate);
      found[name].cpu.push(cpu);
    }
  }
  return Object.fromEntries(
    servers.map((name) => [
      name,
      { rate: median(found[name].rate), cpu: median(found[name].cpu), runs: found[name] },
    ]),
  );
}

function rowOf(client, cold, found) {
  const { [OURS]: ours, ...others } = found;
  const rate = Math.max(...Object.values(others).map((other) => other.rate));
  const cpu = Math.min(...Object.values(others).map((other) => other.cpu));
  const ratio = ours.rate / rate;
  const cpuRatio = ours.cpu / cpu;
  return {
    name: `${client.name}${cold ? ', cold' : ''}`,
    unit: client.unit,
    servers: found,
    ratio,
    cpuRatio,
    // What is not in the page cache measures the disk below; it is shown, and has no target.
    ...(cold ? {} : { met: ratio >= 1 && cpuRatio <= 1 }),
  };
}

async function rows({ only = '', quick }) {
  const settings = quick ? QUICK : FULL;
  const programs = { ...SERVERS, [OURS]: undefined };
  const servers = Object.keys(SERVERS).filter(
    (name) => programs[name] === undefined || isInstalled(programs[name]('', '')[0]),
  );
  if (servers.length === 1) throw new Error('no other NBD server is installed');
  const found = [];
  log(`making two files of ${settings.bytes / MIB} MiB`);
  await withImage(settings.bytes, (image) =>
    withImage(settings.bytes, async (source) => {
      for (const cold of [false, true]) {
        for (const client of CLIENTS) {
          if (!`${client.name}${cold ? ', cold' : ''}`.includes(only)) continue;
          if (!isInstalled(client.program)) {
            log(`${client.name}: skipped, ${client.program} not found`);
            continue;
          }
          const all = { ...settings, image, source, cold };
          found.push(rowOf(client, cold, await measureAll(servers, client, all)));
        }
      }
    }),
  );
  return found;
}

const whole = (value) => Math.round(value).toLocaleString('en-US');

function print(found) {
  const names = Object.keys(found[0]?.servers ?? {});
  const head = ['rate (CPU us a request)', ...names, 'of the best', 'its CPU', 'met'];
  printTable(
    head,
    found.map(({ name, servers, ratio, cpuRatio, met }) => [
      name,
      ...names.map(
        (server) => `${whole(servers[server].rate)} (${servers[server].cpu.toFixed(1)})`,
      ),
      `${ratio.toFixed(2)} x`,
      `${cpuRatio.toFixed(2)} x`,
      met === undefined ? '' : met ? 'yes' : 'NO',
    ]),
    'Medians. fio: requests a second; nbdcopy: MiB/s, and its requests are of 256 KiB.\n',
  );
}

async function main() {
  const values = parseFlags(USAGE, { only: { type: 'string' } });
  if (values === undefined) return;
  report(values, await rows(values), print);
}

runBench(main);
