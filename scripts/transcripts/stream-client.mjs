// A client of QMP over any stream, for both sides.

const LONGEST_MS = 60_000;

export class StreamClient {
  #stream;
  #rest = '';
  #lines = [];
  #waiting = [];
  #ended = false;

  constructor(stream) {
    this.#stream = stream;
    stream.setEncoding('utf8');
    stream.on('data', (text) => this.#arrived(text));
    stream.on('error', () => {});
    stream.on('close', () => {
      this.#ended = true;
      for (const resolve of this.#waiting.splice(0)) resolve(undefined);
    });
  }

  /** The next message; undefined: the other side has ended. */
  next() {
    if (this.#lines.length > 0) return Promise.resolve(this.#lines.shift());
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** What came until the reply, which is the last. @throws (rejects) when none comes for a minute. */
  ask(request) {
    const text = `no reply within ${LONGEST_MS} ms to ${JSON.stringify(request)}`;
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(text)), LONGEST_MS);
    });
    return Promise.race([this.#ask(request), late]).finally(() => clearTimeout(timer));
  }

  async #ask(request) {
    this.#stream.write(`${JSON.stringify(request)}\n`);
    const messages = [];
    for (;;) {
      const message = await this.next();
      if (message === undefined) throw new Error(`no reply to ${JSON.stringify(request)}`);
      messages.push(message);
      if ('return' in message || 'error' in message) return messages;
    }
  }

  async negotiate() {
    await this.next();
    await this.ask({ execute: 'qmp_capabilities' });
  }

  end() {
    this.#stream.end();
  }

  #arrived(text) {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() === '') continue;
      const message = JSON.parse(line);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#lines.push(message);
      else waiting(message);
    }
  }
}
