// A client of the NBD protocol that says what it is told to, right or wrong. It knows nothing of the
// server that it tests.
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { NbdServer } from '../../lib/index.js';

type NbdAddress = NbdServer['address'];

export const Option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
  extendedHeaders: 11,
} as const;

export const Reply = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  unsupported: 2 ** 31 + 1,
  policy: 2 ** 31 + 2,
  invalid: 2 ** 31 + 3,
  tlsRequired: 2 ** 31 + 5,
  unknown: 2 ** 31 + 6,
  blockSizeRequired: 2 ** 31 + 8,
  tooBig: 2 ** 31 + 9,
} as const;

export const Command = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

export const Flag = {
  fua: 1,
  noHole: 2,
  df: 4,
  reqOne: 8,
  fastZero: 16,
  payloadLength: 32,
} as const;

export const WireError = {
  EPERM: 1,
  EIO: 5,
  ENOMEM: 12,
  EINVAL: 22,
  ENOSPC: 28,
  ENOTSUP: 95,
} as const;

const OPTION_MAGIC = 0x49484156454f5054n;
const OPTION_REPLY_MAGIC = 0x3e889045565a9n;
const SIMPLE = 0x67446698;
const STRUCTURED = 0x668e33ef;
const EXTENDED = 0x6e8a278c;

export interface OptionReply {
  readonly type: number;
  readonly data: Buffer;
}

export interface RequestFields {
  readonly command: number;
  readonly flags?: number;
  readonly offset?: number | bigint;
  readonly length?: number | bigint;
  readonly data?: Buffer;
  readonly cookie?: bigint;
}

export interface Chunk {
  readonly cookie: bigint;
  readonly flags: number;
  readonly type: number;
  readonly data: Buffer;
}

export interface Answer {
  readonly cookie: bigint;
  /** Of the wire; 0: none. */
  readonly error: number;
  readonly data: Buffer;
  /** Of a structured reply. */
  readonly chunks: readonly Chunk[];
}

export interface Extent {
  readonly length: number;
  readonly state: number;
}

export function numbers(
  ...parts: readonly (readonly [bits: 16 | 32 | 64, value: number | bigint])[]
): Buffer {
  return Buffer.concat(
    parts.map(([bits, value]) => {
      const buffer = Buffer.alloc(bits / 8);
      if (bits === 16) buffer.writeUInt16BE(Number(value));
      else if (bits === 32) buffer.writeUInt32BE(Number(value));
      else buffer.writeBigUInt64BE(BigInt(value));
      return buffer;
    }),
  );
}

export function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([numbers([32, bytes.length]), bytes]);
}

/** The connection has ended. */
export class ConnectionEnded extends Error {}

export class NbdClient {
  readonly socket: Socket;
  structured = false;
  extended = false;
  size = 0n;
  transmissionFlags = 0;
  #received: Buffer[] = [];
  #available = 0;
  #ended = false;
  #wake: (() => void) | undefined;
  #cookie = 0n;
  /** Of reads without chunks: how much data their replies have. */
  readonly #reads = new Map<bigint, number>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data) => {
      this.#received.push(data);
      this.#available += data.length;
      this.#wake?.();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  static connect(address: NbdAddress): Promise<NbdClient> {
    return new Promise((resolve, reject) => {
      const socket =
        address.type === 'unix'
          ? connect({ path: address.path, allowHalfOpen: true })
          : connect({ host: address.host, port: address.port ?? 10809, allowHalfOpen: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new NbdClient(socket)));
    });
  }

  /** This client goes on over TLS, in another object, once the server has agreed to it. */
  async startTls(options: ConnectionOptions): Promise<NbdClient> {
    await this.agree(Option.startTls);
    return this.handshake(options);
  }

  /** The client's half of the handshake. Rejects when it fails. */
  handshake(options: ConnectionOptions): Promise<NbdClient> {
    for (const event of ['data', 'end', 'close']) this.socket.removeAllListeners(event);
    return new Promise((resolve, reject) => {
      const secured = connectTls({ ...options, socket: this.socket });
      secured.once('error', reject);
      secured.once('secureConnect', () => resolve(new NbdClient(secured)));
    });
  }

  /** Past the greeting. */
  static async greeted(address: NbdAddress, flags = 3): Promise<NbdClient> {
    const client = await NbdClient.connect(address);
    await client.bytes(18);
    client.send(numbers([32, flags]));
    return client;
  }

  /** In transmission. */
  static async ready(
    address: NbdAddress,
    name: string,
    agree: { structured?: boolean; extended?: boolean; contexts?: readonly string[] } = {},
  ): Promise<NbdClient> {
    const client = await NbdClient.greeted(address);
    if (agree.structured === true) await client.agree(Option.structuredReply);
    if (agree.extended === true) await client.agree(Option.extendedHeaders);
    client.structured = agree.structured === true || agree.extended === true;
    client.extended = agree.extended === true;
    if (agree.contexts !== undefined) await client.setContexts(name, agree.contexts);
    await client.go(name);
    return client;
  }

  send(...buffers: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(buffers));
  }

  /** @throws ConnectionEnded */
  async bytes(count: number): Promise<Buffer> {
    while (this.#available < count) {
      if (this.#ended) throw new ConnectionEnded();
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const all = Buffer.concat(this.#received);
    this.#received = [all.subarray(count)];
    this.#available -= count;
    return all.subarray(0, count);
  }

  /** Resolves when the server has ended the connection; what it sent before does not matter. */
  async ended(): Promise<void> {
    for (;;) {
      try {
        await this.bytes(this.#available + 1);
      } catch {
        this.socket.destroy();
        return;
      }
    }
  }

  // --- options

  sendOption(option: number, data: Buffer = Buffer.alloc(0)): void {
    this.send(numbers([64, OPTION_MAGIC], [32, option], [32, data.length]), data);
  }

  async optionReply(): Promise<OptionReply & { readonly option: number }> {
    const header = await this.bytes(20);
    expect(header.readBigUInt64BE()).toBe(OPTION_REPLY_MAGIC);
    const data = await this.bytes(header.readUInt32BE(16));
    return { option: header.readUInt32BE(8), type: header.readUInt32BE(12), data };
  }

  /** All replies to one option: the last one is an acknowledgement or an error. */
  async option(option: number, data?: Buffer): Promise<OptionReply[]> {
    this.sendOption(option, data);
    const replies: OptionReply[] = [];
    for (;;) {
      const reply = await this.optionReply();
      expect(reply.option).toBe(option);
      replies.push({ type: reply.type, data: reply.data });
      if (reply.type === Reply.ack || reply.type >= 2 ** 31) return replies;
    }
  }

  async agree(option: number): Promise<void> {
    expect(await this.option(option)).toEqual([{ type: Reply.ack, data: Buffer.alloc(0) }]);
  }

  infoData(name: string, infos: readonly number[] = []): Buffer {
    return Buffer.concat([
      text(name),
      numbers([16, infos.length], ...infos.map((info) => [16, info] as const)),
    ]);
  }

  async go(name: string, infos: readonly number[] = []): Promise<OptionReply[]> {
    const replies = await this.option(Option.go, this.infoData(name, infos));
    const info = replies.find(({ type, data }) => type === Reply.info && data.readUInt16BE() === 0);
    if (info !== undefined) {
      this.size = info.data.readBigUInt64BE(2);
      this.transmissionFlags = info.data.readUInt16BE(10);
    }
    return replies;
  }

  contextData(name: string, queries: readonly string[]): Buffer {
    return Buffer.concat([text(name), numbers([32, queries.length]), ...queries.map(text)]);
  }

  /** Name -> id. */
  async setContexts(name: string, queries: readonly string[]): Promise<Map<string, number>> {
    const replies = await this.option(Option.setMetaContext, this.contextData(name, queries));
    return new Map(
      replies
        .filter(({ type }) => type === Reply.metaContext)
        .map(({ data }) => [data.subarray(4).toString(), data.readUInt32BE()]),
    );
  }

  // --- transmission

  /** @returns its cookie. */
  sendRequest(fields: RequestFields): bigint {
    const { command, flags = 0, offset = 0, data = Buffer.alloc(0) } = fields;
    const { length = data.length } = fields;
    this.#cookie += 1n;
    const { cookie = this.#cookie } = fields;
    if (command === Command.read) this.#reads.set(cookie, Number(length));
    const magic = this.extended ? 0x21e41c71 : 0x25609513;
    this.send(
      numbers([32, magic], [16, flags], [16, command], [64, cookie], [64, offset]),
      numbers([this.extended ? 64 : 32, length]),
      data,
    );
    return cookie;
  }

  async answer(): Promise<Answer> {
    const chunks: Chunk[] = [];
    for (;;) {
      const magic = (await this.bytes(4)).readUInt32BE();
      if (magic === SIMPLE) {
        expect(this.extended).toBe(false);
        return this.#simple();
      }
      expect(magic).toBe(this.extended ? EXTENDED : STRUCTURED);
      const head = await this.bytes(this.extended ? 28 : 16);
      const length = this.extended ? Number(head.readBigUInt64BE(20)) : head.readUInt32BE(12);
      const chunk = {
        flags: head.readUInt16BE(),
        type: head.readUInt16BE(2),
        cookie: head.readBigUInt64BE(4),
        data: await this.bytes(length),
      };
      chunks.push(chunk);
      if ((chunk.flags & 1) !== 0) return this.#structured(chunks);
    }
  }

  async #simple(): Promise<Answer> {
    const head = await this.bytes(12);
    const error = head.readUInt32BE();
    const cookie = head.readBigUInt64BE(4);
    const expected = this.#reads.get(cookie) ?? 0;
    this.#reads.delete(cookie);
    const data = error === 0 ? await this.bytes(expected) : Buffer.alloc(0);
    return { cookie, error, data, chunks: [] };
  }

  #structured(chunks: readonly Chunk[]): Answer {
    const { cookie } = chunks[0] as Chunk;
    for (const chunk of chunks) expect(chunk.cookie).toBe(cookie);
    const failed = chunks.find(({ type }) => type >= 2 ** 15);
    const data = chunks.filter(({ type }) => type === 1).map((chunk) => chunk.data.subarray(8));
    return {
      cookie,
      error: failed?.data.readUInt32BE() ?? 0,
      data: Buffer.concat(data),
      chunks,
    };
  }

  /** One request, and its answer while no other is under way. */
  async request(fields: RequestFields): Promise<Answer> {
    const cookie = this.sendRequest(fields);
    const answer = await this.answer();
    expect(answer.cookie).toBe(cookie);
    return answer;
  }

  /** Context id -> extents, of an answer to a block-status request. */
  extents({ chunks }: Answer): Map<number, Extent[]> {
    return new Map(
      chunks.map(({ data }) => {
        const extents: Extent[] = [];
        const wide = this.extended ? 16 : 8;
        for (let at = this.extended ? 8 : 4; at < data.length; at += wide) {
          extents.push(
            this.extended
              ? {
                  length: Number(data.readBigUInt64BE(at)),
                  state: Number(data.readBigUInt64BE(at + 8)),
                }
              : { length: data.readUInt32BE(at), state: data.readUInt32BE(at + 4) },
          );
        }
        return [data.readUInt32BE(), extents] as const;
      }),
    );
  }

  /** Says that it goes, and waits for the server to go, too. */
  async disconnect(): Promise<void> {
    this.sendRequest({ command: Command.disconnect });
    await this.ended();
  }

  destroy(): void {
    this.socket.destroy();
  }
}
