// Servers for tests, and genuine clients of them.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { NbdServerSettings } from '../../lib/exports/nbd-options.js';
import {
  blockdevAdd,
  blockdevDel,
  type NbdExport,
  type NbdExportOptions,
  NbdServer,
} from '../../lib/index.js';
import { scratchFolder } from './matrix.js';
import { foreignEnv } from './tools.js';

const folder = scratchFolder();
let count = 0;

/** A path that no socket has yet. */
export function socketPath(): string {
  count += 1;
  return join(folder, `nbd${count}.sock`);
}

/** A new name for nodes and exports. */
export function freshName(prefix = 'disk'): string {
  count += 1;
  return `${prefix}${count}`;
}

export function listen(settings?: NbdServerSettings): Promise<NbdServer> {
  return NbdServer.listen({ type: 'unix', path: socketPath() }, settings);
}

/** A raw node over a file; for every test its own. */
export async function diskNode(
  filename: string,
  more: Record<string, unknown> = {},
): Promise<string> {
  const name = freshName();
  await blockdevAdd({
    driver: 'raw',
    'node-name': name,
    discard: 'unmap',
    file: { driver: 'file', filename, discard: 'unmap' },
    ...more,
  });
  return name;
}

export interface Served {
  readonly server: NbdServer;
  readonly item: NbdExport;
  readonly node: string;
}

/** Runs `body` with a server that exports a disk, writable; then nothing of it is left. */
export async function served<T>(
  filename: string,
  body: (served: Served) => Promise<T>,
  options: Partial<NbdExportOptions> = {},
  settings?: NbdServerSettings,
): Promise<T> {
  const node = await diskNode(filename);
  const server = await listen(settings);
  try {
    const item = await server.addExport({
      id: freshName('export'),
      'node-name': node,
      writable: true,
      ...options,
    });
    return await body({ server, item, node });
  } finally {
    await server.close();
    await blockdevDel(node);
  }
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a genuine client; it is ended after a minute. */
export function client(program: string, ...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(
      program,
      args,
      { env: foreignEnv(), timeout: 60_000, killSignal: 'SIGKILL', maxBuffer: 1 << 26 },
      (error, stdout, stderr) => {
        const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}
