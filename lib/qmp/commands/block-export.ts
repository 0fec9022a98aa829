// Serving nodes to other processes.

import {
  type BlockExportAddArguments,
  blockExportAdd,
  blockExportDel,
  nbdServerStart,
  nbdServerStop,
  queryBlockExports,
} from '../../monitor/block-export.js';
import { command } from '../command.js';
import { QmpError } from '../errors.js';
import { type BitmapName, bitmapName, localBitmap } from '../schema/bitmap.js';
import {
  array,
  bool,
  enumeration,
  type Infer,
  object,
  optional,
  str,
  uint32,
  union,
} from '../schema/type.js';

const LAST_PORT = 65_535;

/** A port is a text in QAPI, which may be the name of a service; here it is its number. */
const port = str;

const socketAddress = union<SocketAddress>(
  'SocketAddress',
  'type',
  () => ({ type: enumeration('SocketAddressType', ['inet', 'unix', 'fd']) }),
  () => ({
    inet: { members: { host: str, port } },
    unix: { members: { path: str } },
    fd: { members: { str } },
  }),
);

type SocketAddress =
  | { readonly type: 'unix'; readonly path: string }
  | { readonly type: 'fd'; readonly str: string }
  | { readonly type: 'inet'; readonly host: string; readonly port: string };

/** The older form, which QMP keeps: what depends on the type is below `data`. */
type SocketAddressLegacy =
  | { readonly type: 'unix'; readonly data: { readonly path: string } }
  | { readonly type: 'fd'; readonly data: { readonly str: string } }
  | { readonly type: 'inet'; readonly data: { readonly host: string; readonly port: string } };

const socketAddressLegacy = union<SocketAddressLegacy>(
  'SocketAddressLegacy',
  'type',
  () => ({ type: enumeration('SocketAddressType', ['inet', 'unix', 'fd']) }),
  () => ({
    inet: { members: { data: object('InetSocketAddressWrapper', { host: str, port }) } },
    unix: { members: { data: object('UnixSocketAddressWrapper', { path: str }) } },
    fd: { members: { data: object('StringWrapper', { str }) } },
  }),
);

/** Options of the command line. */
export const nbdServerOptions = object('NbdServerOptions', {
  addr: socketAddress,
  'tls-creds': optional(str),
  'max-connections': optional(uint32),
});

/** @throws QmpError for a port that is no number. */
export async function startNbdServer({
  addr,
  ...others
}: Infer<typeof nbdServerOptions>): Promise<void> {
  if (addr.type !== 'inet') {
    await nbdServerStart({ addr, ...others });
    return;
  }
  const number = /^\d{1,5}$/.test(addr.port) ? Number(addr.port) : LAST_PORT + 1;
  if (number > LAST_PORT) {
    throw new QmpError(
      `the port of 'addr': expected a number from 0 to ${LAST_PORT}, not '${addr.port}'`,
    );
  }
  await nbdServerStart({ addr: { ...addr, port: number }, ...others });
}

const exportMembers = {
  id: str,
  'node-name': str,
  writable: optional(bool),
  writethrough: optional(bool),
  iothread: optional(str),
  'fixed-iothread': optional(bool),
} as const;

/** As QAPI has them: bitmaps may name their node. */
type BlockExportOptions = Omit<BlockExportAddArguments, 'bitmaps'> & {
  readonly bitmaps?: readonly BitmapName[];
};

export const blockExportOptions = union<BlockExportOptions>(
  'BlockExportOptions',
  'type',
  () => ({ type: enumeration('BlockExportType', ['nbd']), ...exportMembers }),
  () => ({
    nbd: {
      members: {
        name: optional(str),
        description: optional(str),
        bitmaps: optional(array(bitmapName)),
        'allocation-depth': optional(bool),
      },
    },
  }),
);

export async function addBlockExport({ bitmaps, ...options }: BlockExportOptions): Promise<void> {
  const node = options['node-name'];
  const names = bitmaps?.map((of) => localBitmap(of, node));
  await blockExportAdd(names === undefined ? options : { ...options, bitmaps: names });
}

const exportInfo = object('BlockExportInfo', {
  id: str,
  type: str,
  'node-name': str,
  'shutting-down': bool,
});

export const blockExportCommands = [
  command(
    'nbd-server-start',
    {
      addr: socketAddressLegacy,
      'tls-creds': optional(str),
      'max-connections': optional(uint32),
    },
    {
      doc: 'Listens for NBD clients, for the exports that are added afterwards.',
      run: ({ addr: { type, data }, ...others }) =>
        startNbdServer({ addr: { type, ...data } as SocketAddress, ...others }),
    },
  ),
  command(
    'nbd-server-stop',
    {},
    { doc: 'Disconnects all NBD clients and removes all exports.', run: nbdServerStop },
  ),
  command('block-export-add', blockExportOptions, {
    doc: 'Serves a node to clients of the NBD server.',
    run: addBlockExport,
  }),
  command(
    'block-export-del',
    {
      id: str,
      mode: optional(enumeration('BlockExportRemoveMode', ['safe', 'hard'])),
    },
    {
      doc: 'Ends an export; safe, as by default, only without clients. BLOCK_EXPORT_DELETED tells when it is gone.',
      run: blockExportDel,
    },
  ),
  command(
    'query-block-exports',
    {},
    {
      doc: 'All exports, newest first.',
      returns: array(exportInfo),
      run: queryBlockExports,
    },
  ),
];
