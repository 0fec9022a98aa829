// A client of QMP for tests: one JSON object a line, in both directions. It believes nothing that it
// gets, and imports nothing of the package.
import { connect, type Socket } from 'node:net';

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly timestamp: { readonly seconds: number; readonly microseconds: number };
}

/** What answers a command, whole. */
export interface QmpReply {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly id?: unknown;
}

export interface QmpGreeting {
  readonly QMP: {
    readonly version: { readonly qemu: object; readonly package: string };
    readonly capabilities: readonly string[];
  };
}

/** A command was refused. `message` is the description. */
export class QmpError extends Error {
  readonly class: string;

  constructor(command: string, reply: { readonly class: string; readonly desc: string }) {
    super(reply.desc);
    this.name = `QmpError of ${command}`;
    this.class = reply.class;
  }
}

/** What somebody waits for; answered once, or told that the connection has ended. */
interface Waiter {
  readonly takes: (message: Record<string, unknown>) => boolean;
  readonly resolve: (message: never) => void;
  readonly reject: (error: Error) => void;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export class QmpClient {
  /** Every message so far that nobody has taken, in order of arrival. */
  readonly #messages: Record<string, unknown>[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  #rest = '';
  #nextId = 0;
  #ended: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#arrived(text));
    // A reset is an end like others; 'close' follows.
    socket.on('error', () => {});
    this.#closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#ended = new Error(`the monitor ended the connection; the last was '${this.#rest}'`);
        for (const { reject } of this.#waiters.splice(0)) reject(this.#ended);
        resolve();
      });
    });
  }

  /** A client that has read the greeting and nothing else. */
  static async over(socket: Socket): Promise<[QmpClient, QmpGreeting]> {
    const client = new QmpClient(socket);
    return [client, await client.#next<QmpGreeting>((message) => 'QMP' in message)];
  }

  /** Connects to a monitor that listens at a socket's path and leaves the negotiation mode. */
  static async connect(path: string, enable: readonly string[] = []): Promise<QmpClient> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    const [client] = await QmpClient.over(socket);
    await client.negotiate(enable);
    return client;
  }

  async negotiate(enable: readonly string[] = []): Promise<void> {
    await this.execute('qmp_capabilities', enable.length === 0 ? undefined : { enable });
  }

  /** What the command returns. @throws (rejects) QmpError */
  async execute<T = unknown>(command: string, args?: object): Promise<T> {
    const { error, return: result } = await this.exchange({
      execute: command,
      ...(args === undefined ? {} : { arguments: args }),
    });
    if (error !== undefined) throw new QmpError(command, error);
    return result as T;
  }

  /** Sends any object and gives the reply to it; it gets an id unless it has one. */
  exchange(request: Readonly<Record<string, unknown>>): Promise<QmpReply> {
    const id = request.id ?? `test-${this.#nextId++}`;
    const wanted = JSON.stringify(id);
    const reply = this.#next<QmpReply>((message) => JSON.stringify(message.id) === wanted);
    this.send(`${JSON.stringify({ ...request, id })}\n`);
    return reply;
  }

  /** A line of the human monitor, and what it prints, with newlines as others have them. */
  async human(line: string): Promise<string> {
    const args = { 'command-line': line };
    return (await this.execute<string>('human-monitor-command', args)).replaceAll('\r\n', '\n');
  }

  /** Any bytes, for what is no JSON. */
  send(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The oldest reply that nobody has taken: for requests of {@link send}, without an id. */
  reply(): Promise<QmpReply> {
    return this.#next((message) => 'return' in message || 'error' in message);
  }

  /** The oldest event of that name that nobody has taken, or the next one. */
  event(name: string): Promise<QmpEvent> {
    return this.#next((message) => message.event === name);
  }

  /** Takes all events that have come so far, in order. */
  takeEvents(): QmpEvent[] {
    const events = this.#messages.filter((message) => 'event' in message);
    for (const event of events) this.#messages.splice(this.#messages.indexOf(event), 1);
    return events as unknown as QmpEvent[];
  }

  /** Resolves when the monitor has closed the connection. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  async close(): Promise<void> {
    this.#socket.end();
    this.#socket.resume();
    await this.#closed;
  }

  /** Without a word, as a client that crashes. */
  destroy(): void {
    this.#socket.destroy();
  }

  #next<T>(takes: (message: Record<string, unknown>) => boolean): Promise<T> {
    const at = this.#messages.findIndex(takes);
    const [found] = at < 0 ? [] : this.#messages.splice(at, 1);
    if (found !== undefined) return Promise.resolve(found as T);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ takes, resolve, reject });
    });
  }

  #arrived(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() !== '') this.#received(line);
    }
  }

  #received(line: string): void {
    const message: unknown = JSON.parse(line);
    if (!isObject(message)) throw new Error(`the monitor sent '${line}'`);
    const at = this.#waiters.findIndex(({ takes }) => takes(message));
    if (at < 0) {
      this.#messages.push(message);
      return;
    }
    const [waiter] = this.#waiters.splice(at, 1);
    waiter?.resolve(message as never);
  }
}
