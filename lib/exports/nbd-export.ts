// One disk that an NBD server exports.

import { AioContext } from '../aio/context.js';
import { controlCall } from '../aio/control.js';
import { environment } from '../aio/environment.js';
import type { Handle } from '../aio/native-binding.js';
import { beforeCloseAll } from '../backend/close-all.js';
import { BlockBackend } from '../block-backend.js';
import { invalidArgumentValue } from '../errors/argument-errors.js';
import { BlockError } from '../errors/block-error.js';
import { Errno } from '../errors/errno.js';
import { emitBlockEvent } from '../graph/block-events.js';
import { moveContext } from '../graph/context-move.js';
import { graph } from '../graph/graph.js';
import { lookupNode } from '../graph/lookup.js';
import { activateNode } from '../graph/migration.js';
import type { BlockNode } from '../graph/node.js';
import type { PermissionName } from '../graph/permissions.js';
import { exportError, type NbdExportOptions } from './nbd-options.js';

/** QAPI: BlockExportRemoveMode. */
export type ExportRemoveMode = 'safe' | 'hard';

/** A frozen snapshot. QAPI: BlockExportInfo, and what is known of an NBD export besides. */
export interface NbdExportInfo {
  readonly id: string;
  readonly type: 'nbd';
  readonly 'node-name': string;
  readonly 'shutting-down': boolean;
  readonly name: string;
  readonly description: string;
  readonly writable: boolean;
  /** In bytes. */
  readonly size: number;
  /** Connected, and past negotiation. */
  readonly clients: number;
}

/** Transmission flags, by the protocol's numbers. */
const Flag = {
  hasFlags: 1 << 0,
  readOnly: 1 << 1,
  sendFlush: 1 << 2,
  sendFua: 1 << 3,
  sendTrim: 1 << 5,
  sendWriteZeroes: 1 << 6,
  canMultiConn: 1 << 8,
  sendCache: 1 << 10,
  sendFastZero: 1 << 11,
} as const;

/** In bytes, as QEMU's clients and servers have it. */
const MAX_PAYLOAD = 32 << 20;
/** A client must not see a size change, so nobody else may resize the medium (EXP-11). */
const SHARED: readonly PermissionName[] = ['consistent-read', 'write', 'write-unchanged'];

/** All exports of this environment, by id; those that are being made included. */
const exportIds = new Map<string, NbdExport | undefined>();

beforeCloseAll(async () => {
  await Promise.all(NbdExport.all().map((item) => item.remove('hard')));
});

/** @internal What its server has for it. */
export interface ExportPlace {
  readonly server: Handle;
  /** Unless the server takes one client only. */
  readonly multiConn: boolean;
  /** The export is gone. */
  readonly forget: () => void;
}

function flagsFor({ writable = false }: NbdExportOptions, multiConn: boolean): number {
  const changes = Flag.sendTrim | Flag.sendWriteZeroes | Flag.sendFastZero;
  return (
    Flag.hasFlags |
    Flag.sendFlush |
    Flag.sendFua |
    Flag.sendCache |
    (multiConn ? Flag.canMultiConn : 0) |
    (writable ? changes : Flag.readOnly)
  );
}

/** A disk that NBD clients can use, until it is removed. Made by `server.addExport()`. */
export class NbdExport implements AsyncDisposable {
  /** Unique among the exports of its environment. */
  readonly id: string;
  /** What clients call it. */
  readonly name: string;
  /** Its requests go through it: for statistics, limits and drained sections. */
  readonly backend: BlockBackend;
  readonly #options: NbdExportOptions;
  readonly #node: BlockNode;
  readonly #size: number;
  readonly #place: ExportPlace;
  #handle: Handle;
  #removing: Promise<void> | undefined;

  private constructor(
    options: NbdExportOptions,
    place: ExportPlace,
    backend: BlockBackend,
    node: BlockNode,
  ) {
    this.id = options.id;
    this.name = options.name ?? options['node-name'];
    this.#options = options;
    this.#place = place;
    this.backend = backend;
    this.#node = node;
    this.#size = node.info().length;
    this.#handle = this.#register();
  }

  /** @internal */
  static async create(options: NbdExportOptions, place: ExportPlace): Promise<NbdExport> {
    const { id } = options;
    if (exportIds.has(id)) {
      throw exportError(Errno.EEXIST, `Block export id '${id}' is already in use`);
    }
    exportIds.set(id, undefined);
    try {
      const made = await NbdExport.#create(options, place);
      exportIds.set(id, made);
      return made;
    } catch (error) {
      exportIds.delete(id);
      throw error;
    }
  }

  static async #create(options: NbdExportOptions, place: ExportPlace): Promise<NbdExport> {
    const { writable = false, writethrough = false } = options;
    const node = nodeToExport(options);
    await moveToThread(node, options);
    await activate(node);
    checkBitmaps(node, options);
    const permissions: PermissionName[] = ['consistent-read'];
    if (writable) permissions.push('write');
    const backend = await BlockBackend.open(node.name, { permissions, shared: SHARED });
    try {
      backend.allowContextChange = options['fixed-iothread'] !== true;
      backend.writeCache = !writethrough;
      return new NbdExport(options, place, backend, node);
    } catch (error) {
      await backend.close();
      throw error;
    }
  }

  /** The export of that id. */
  static byId(id: string): NbdExport | undefined {
    return exportIds.get(id);
  }

  /** All exports of this environment, in order of creation. */
  static all(): NbdExport[] {
    return [...exportIds.values()].filter((item) => item !== undefined);
  }

  /** Clients that are connected to it. */
  get clients(): number {
    if (this.#handle === 0) return 0;
    return environment().binding.nbdExportInfo(this.#handle).clients;
  }

  /** A frozen snapshot. (QMP: query-block-exports) */
  info(): NbdExportInfo {
    const { writable = false, description = '' } = this.#options;
    return Object.freeze({
      id: this.id,
      type: 'nbd',
      'node-name': this.#node.name,
      'shutting-down': this.#removing !== undefined,
      name: this.name,
      description,
      writable,
      size: this.#size,
      clients: this.clients,
    });
  }

  /**
   * Ends the export: nobody finds it any more, its clients are disconnected, and once they are gone
   * the event BLOCK_EXPORT_DELETED is sent and the promise resolves; then id, name and node are free.
   * A second call waits for the same. (block-export-del)
   *
   * @param mode 'safe' (default): only if it has no clients. 'hard': whatever they do.
   * @throws (rejects) BlockError EBUSY in safe mode, while clients are connected; nothing changes.
   */
  async remove(mode: ExportRemoveMode = 'safe'): Promise<void> {
    if (mode !== 'safe' && mode !== 'hard') {
      throw invalidArgumentValue('mode', `'safe' or 'hard'`, mode);
    }
    if (this.#removing === undefined && mode === 'safe' && this.clients > 0) {
      const text = `export '${this.id}' is still in use; mode 'hard' disconnects its clients`;
      throw exportError(Errno.EBUSY, text);
    }
    this.#removing ??= this.#remove();
    return this.#removing;
  }

  /** Removes it, whoever is connected: `remove('hard')`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.remove('hard');
  }

  async #remove(): Promise<void> {
    const { binding, ring } = environment();
    const handle = this.#handle;
    this.#handle = 0;
    await controlCall(ring, (slot) => {
      binding.nbdExportRemove(slot, handle, AioContext.main.handle);
    });
    try {
      await this.backend.close();
    } finally {
      exportIds.delete(this.id);
      this.#place.forget();
      emitBlockEvent('BLOCK_EXPORT_DELETED', Object.freeze({ id: this.id }));
    }
  }

  #register(): Handle {
    const { description = '', bitmaps = [] } = this.#options;
    const { 'multi-conn': multiConn = this.#place.multiConn } = this.#options;
    const { backend } = this;
    const handle = environment().binding.nbdExportAdd(this.#place.server, backend.handle, {
      name: this.name,
      description,
      size: this.#size,
      flags: flagsFor(this.#options, multiConn),
      minBlock: backend.requestAlignment,
      maxBlock: Math.min(backend.maxTransfer, MAX_PAYLOAD),
      allocationDepth: this.#options['allocation-depth'] === true,
      bitmaps,
    });
    if (handle >= 0) return handle;
    throw handle === Errno.EEXIST
      ? exportError(handle, `the server exports '${this.name}' already`)
      : exportError(handle, 'the NBD server is closed');
  }
}

function nodeToExport({ 'node-name': name, writable = false }: NbdExportOptions): BlockNode {
  const node = lookupNode(name, name);
  if (writable && node.readOnly) {
    throw exportError(Errno.EPERM, `node '${name}' is read-only and cannot be exported writable`);
  }
  if (node.context.home === 'virtual') {
    throw exportError(Errno.ENOTSUP, `node '${name}' lives in virtual time, where no clients are`);
  }
  return node;
}

/**
 * A node that waits for a migration is taken over: clients may write before the machine runs. What is
 * wrong with that, opening the backend will tell. (INACT-14)
 */
async function activate(node: BlockNode): Promise<void> {
  if (!node.inactive) return;
  await graph().lock.run('activate', (change) => activateNode(graph(), node, change));
}

/** A node that others keep where it is stays there, unless the export insists (EXP-3). */
async function moveToThread(node: BlockNode, options: NbdExportOptions): Promise<void> {
  const { iothread, 'fixed-iothread': fixed = false } = options;
  if (iothread === undefined) return;
  const context = threadOf(iothread);
  try {
    await graph().lock.run(`export ${node.name}`, (change) =>
      moveContext(graph(), node, context, undefined, change),
    );
  } catch (error) {
    const refused = error instanceof BlockError && error.errno === Errno.EPERM;
    if (fixed || !refused) throw error;
  }
}

function threadOf(iothread: AioContext | string): AioContext {
  if (typeof iothread !== 'string') return iothread;
  const found = AioContext.ioThread(iothread);
  if (found !== undefined) return found;
  throw exportError(Errno.ENOENT, `there is no IOThread '${iothread}'`);
}

function checkBitmaps(node: BlockNode, { bitmaps = [], writable = false }: NbdExportOptions): void {
  if (new Set(bitmaps).size !== bitmaps.length) {
    throw exportError(Errno.EINVAL, 'a bitmap is named twice');
  }
  const known = new Map(node.dirtyBitmaps.list().map((bitmap) => [bitmap.name, bitmap]));
  for (const name of bitmaps) {
    const bitmap = known.get(name);
    if (bitmap === undefined) {
      throw exportError(Errno.ENOENT, `node '${node.name}' has no bitmap '${name}'`);
    }
    if (bitmap.inconsistent) throw exportError(Errno.EINVAL, `bitmap '${name}' is inconsistent`);
    if (!writable && bitmap.recording) {
      const text = `bitmap '${name}' records changes, which a read-only export must not see`;
      throw exportError(Errno.EINVAL, text);
    }
  }
}
