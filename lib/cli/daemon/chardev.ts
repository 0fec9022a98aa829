// What monitors are reached by (QEMU: --chardev).

import { once } from 'node:events';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import type { QmpServer, SessionOptions } from '../../index.js';
import { parseQemuOpts } from '../../options/qemu-opts.js';
import { usageError } from '../shared/cli-error.js';

export interface Chardev {
  readonly id: string;
  /** Resolves when clients can be served; of a server that waits, when the first one is there. */
  attach(server: QmpServer, options: SessionOptions): Promise<void>;
}

class Options {
  readonly #text: string;
  readonly #given: Map<string, string>;

  constructor(text: string) {
    this.#text = text;
    this.#given = parseQemuOpts(text, { implied: 'backend' });
  }

  take(name: string): string | undefined {
    const value = this.#given.get(name);
    this.#given.delete(name);
    return value;
  }

  need(name: string): string {
    const value = this.take(name);
    if (value === undefined || value === '') throw this.error(`'${name}' is missing`);
    return value;
  }

  switch(name: string, otherwise: boolean): boolean {
    const value = this.take(name);
    if (value === undefined) return otherwise;
    if (['on', 'yes', 'true', 'y'].includes(value)) return true;
    if (['off', 'no', 'false', 'n'].includes(value)) return false;
    throw this.error(`'${name}' must be on or off, not '${value}'`);
  }

  /** Nothing may be left. */
  end(): void {
    for (const name of this.#given.keys()) throw this.error(`'${name}' is no option of it`);
  }

  error(text: string): Error {
    return usageError(`--chardev ${this.#text}: ${text}`);
  }
}

type Socket = { readonly path: string } | { readonly host: string; readonly port: number };

function socketOf(options: Options): Socket {
  const path = options.take('path');
  if (path !== undefined) return { path: resolve(path) };
  const port = Number(options.need('port'));
  const host = options.take('host') ?? 'localhost';
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return { host, port };
  throw options.error("'port' must be an integer from 0 to 65535");
}

function socketChardev(id: string, options: Options): Chardev {
  const address = socketOf(options);
  const serves = options.switch('server', false);
  const waits = options.switch('wait', true);
  options.end();
  return {
    id,
    async attach(server, session) {
      if (serves) {
        await server.listen(address, session);
        if (waits) await server.connected();
        return;
      }
      const socket = connect({ ...address });
      await once(socket, 'connect');
      server.attach(socket, session);
    },
  };
}

/** @throws CliError */
export function parseChardev(text: string): Chardev {
  const options = new Options(text);
  const backend = options.need('backend');
  const id = options.need('id');
  if (backend === 'socket') return socketChardev(id, options);
  options.end();
  if (backend === 'stdio') {
    return { id, attach: async (server, session) => server.attachStdio(session) };
  }
  if (backend === 'null') return { id, attach: async () => {} };
  throw options.error(`there is no '${backend}' here; there are null, socket and stdio`);
}
