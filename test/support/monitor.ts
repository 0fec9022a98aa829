// A QMP server of ours and clients of it, over real sockets.
import { connect } from 'node:net';
import { join } from 'node:path';
import { QmpServer, type QmpServerOptions } from '../../lib/index.js';
import { scratchFolder } from './matrix.js';
import { QmpClient, type QmpGreeting } from './qmp-client.js';

export interface TestMonitor {
  readonly server: QmpServer;
  readonly path: string;
  /** A client past the negotiation. */
  client(): Promise<QmpClient>;
  /** One that has read the greeting only. */
  greeted(): Promise<[QmpClient, QmpGreeting]>;
}

/** Serves during a test, and nothing afterwards. */
export function useMonitor(options: QmpServerOptions = {}): () => TestMonitor {
  const folder = scratchFolder();
  let number = 0;
  let monitor: TestMonitor;
  beforeEach(async () => {
    number += 1;
    const path = join(folder, `qmp${number}`);
    const server = new QmpServer(options);
    await server.listen(path);
    monitor = {
      server,
      path,
      client: () => QmpClient.connect(path),
      async greeted() {
        const socket = connect(path);
        return QmpClient.over(socket);
      },
    };
  });
  afterEach(() => monitor.server.close());
  return () => monitor;
}
