// The guest's shell on a serial port: the host types commands and reads what they print.

const COMMAND_MS = 120_000;

export class GuestConsole {
  #type;
  #listener;
  /** Since the last command was typed. */
  #seen = '';
  #line = '';
  #commands = 0;
  #ended;

  /** `type(text)` sends to the port; `listener(line)` hears what is typed and printed. */
  constructor(type, listener = () => {}) {
    this.#type = type;
    this.#listener = listener;
  }

  /** What came from the port. */
  heard(text) {
    this.#seen += text;
    this.#line += text;
    for (let end = this.#line.indexOf('\n'); end >= 0; end = this.#line.indexOf('\n')) {
      const line = this.#line.slice(0, end + 1);
      this.#line = this.#line.slice(end + 1);
      if (!line.startsWith('end-of-')) this.#listener(line);
    }
  }

  /** Nothing more will come, for this reason: whoever waits for something need not. */
  ended(reason) {
    this.#ended = reason;
  }

  /** The shell waits for commands. */
  async ready(milliseconds) {
    await this.find(/guest-ready\r?\n/, milliseconds);
    await this.run('true'); // after which the shell has said who it is
  }

  /** Runs a shell command and gives `{ status, output }`; throws when it takes too long. */
  async run(command, milliseconds = COMMAND_MS) {
    this.#commands += 1;
    const mark = `end-of-${this.#commands}`;
    this.#seen = '';
    this.#listener(`# ${command}\n`);
    // Typed in two parts, so that an echo would not be taken for the end.
    this.type(`${command}\necho "end-of-""${this.#commands} $?"\n`);
    const [, output, status] = await this.find(
      new RegExp(`^([^]*?)${mark} (\\d+)\\r?\\n`),
      milliseconds,
    );
    return { status: Number(status), output: output.replaceAll('\r', '') };
  }

  /** The same for one that must succeed: its output, trimmed. */
  async must(command, milliseconds) {
    const { status, output } = await this.run(command, milliseconds);
    if (status !== 0) throw new Error(`${command}: status ${status}\n${output}`);
    return output.trim();
  }

  type(text) {
    this.#type(text);
  }

  async find(pattern, milliseconds = COMMAND_MS) {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const match = pattern.exec(this.#seen);
      if (match) {
        this.#seen = this.#seen.slice(match.index + match[0].length);
        return match;
      }
      if (this.#ended !== undefined || Date.now() > deadline) {
        const why = this.#ended ?? 'it did not come in time';
        throw new Error(`the guest did not print ${pattern}: ${why}; it printed:\n${this.#seen}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
