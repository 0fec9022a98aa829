// Where the installed package is made to do I/O: this machine, other Node versions, the oldest system,
// and another machine under emulation. What cannot be had is skipped, and said.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { canInstall, install } from '../lib/apt.mjs';
import { log, UserError } from '../lib/project.mjs';
import { which } from '../lib/run.mjs';
import { targets } from '../prebuilds/targets.mjs';
import { debian11 } from './debian11.mjs';
import { fetchNode, NODE_MAJORS } from './nodes.mjs';

// Nothing of this checkout: not its build, and no switch.
const { BLOCK_BACKEND_PREBUILD: _, LIBC: __, ...hostEnv } = process.env;

const isGlibc = process.report.getReport().header.glibcVersionRuntime !== undefined;
const hostId = `linux-${process.arch}-${isGlibc ? 'glibc' : 'musl'}`;

const OTHER_ARCH = { x64: 'arm64', arm64: 'x64' };
const QEMU = { x64: 'qemu-x86_64-static', arm64: 'qemu-aarch64-static' };
const LIBRARIES = { x64: '/usr/x86_64-linux-gnu', arm64: '/usr/aarch64-linux-gnu' };

async function otherNode(major) {
  const node = isGlibc ? await fetchNode(major, process.arch) : undefined;
  return node
    ? { command: [node] }
    : { skip: 'the npm registry has no such node for this machine' };
}

async function emulated() {
  const arch = OTHER_ARCH[process.arch];
  const qemu = QEMU[arch];
  const missing = () => !which(qemu) || !which(`${LIBRARIES[arch].slice(5)}-g++`);
  const wanted = ['qemu-user-static', `g++-${LIBRARIES[arch].slice(5).replace('_', '-')}`];
  if (missing() && canInstall()) await install(wanted);
  if (missing()) return { skip: `no ${wanted.join(' or ')}` };
  const node = await fetchNode(NODE_MAJORS[0], arch);
  if (!node) return { skip: `the npm registry has no node for ${arch}` };
  return { command: [qemu, '-L', LIBRARIES[arch], node] };
}

/** { name, target, prepare(project) -> { skip } | { command, folder? } }. */
const hosts = [
  { name: 'this node', target: hostId, prepare: async () => ({ command: [process.execPath] }) },
  ...NODE_MAJORS.map((major) => ({
    name: `node ${major}`,
    target: hostId,
    prepare: () => otherNode(major),
  })),
  {
    name: 'Debian 11',
    target: `linux-${process.arch}-glibc`,
    prepare: async (project) => {
      const node = await fetchNode(NODE_MAJORS[0], process.arch);
      return node ? debian11(project, node) : { skip: 'the npm registry has no node for it' };
    },
  },
  {
    name: `${OTHER_ARCH[process.arch]} under QEMU`,
    target: `linux-${OTHER_ARCH[process.arch]}-glibc`,
    prepare: emulated,
  },
];

/** What a program prints; its complaints go to ours. */
function output([program, ...args]) {
  const stdio = ['ignore', 'pipe', 'inherit'];
  const { status, stdout } = spawnSync(program, args, { stdio, encoding: 'utf8', env: hostEnv });
  return status === 0 ? stdout.trim() : undefined;
}

async function useOn(host, project) {
  const { skip, command, folder = project.folder } = await host.prepare(project);
  if (skip) {
    log('pack', `${host.name}: skipped, ${skip}`);
    return;
  }
  for (const program of ['consumer.cjs', 'consumer.mjs']) {
    const text = output([...command, join(folder, program)]);
    if (!text) throw new UserError(`${host.name}: ${program} failed`);
    log('pack', `${host.name}: ${text}`);
  }
}

const has = (project, id) => targets.some((target) => target.id === id && project.has(target.file));

/** The package is of use here only if it has this machine's binary. */
export function requireOwnBinary(project) {
  if (has(project, hostId)) return;
  throw new UserError(`the package has no binary for ${hostId}: run npm run prebuilds first`);
}

/** Does I/O with the packed and installed package wherever that can be tried. */
export async function usePackage(project, { here = false } = {}) {
  for (const host of here ? hosts.slice(0, 1) : hosts) {
    if (has(project, host.target)) await useOn(host, project);
    else log('pack', `${host.name}: skipped, there is no binary for ${host.target}`);
  }
}
