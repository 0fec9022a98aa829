// Sockets that clients of a monitor connect to.

import { once } from 'node:events';
import { rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A UNIX socket, or a TCP port (0: a free one). */
export type ListenAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

/** @throws (rejects) Error EADDRINUSE, EACCES ... */
export async function listenAt(
  address: ListenAddress,
  connected: (socket: Socket) => void,
): Promise<Server> {
  if ('path' in address) await removeStale(address.path);
  const server = createServer({ allowHalfOpen: true }, connected);
  server.listen({ ...address });
  await once(server, 'listening');
  return server;
}

/** Connections go on; the file of a unix socket is removed. */
export function closeListener(server: Server): Promise<void> {
  // Its callback would wait for the connections, too.
  server.close();
  return Promise.resolve();
}

/** A process that was killed leaves its socket behind, to which nobody can connect any more. */
async function removeStale(path: string): Promise<void> {
  if (statSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const socket = connect(path);
  try {
    await once(socket, 'connect');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') rmSync(path);
  } finally {
    socket.destroy();
  }
}
