// A v86 machine without a screen that boots the guest, and its console: the host types commands and
// reads what they print.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';
import { guestImage } from './image.mjs';

const MEMORY = 128 * 1024 * 1024;
/** A kernel of this size takes about half a minute, and several times that on a busy machine. */
const BOOT_MS = 240_000;
const COMMAND_MS = 120_000;

const image = (path) => ({ buffer: new Uint8Array(readFileSync(path)).buffer });

export class Guest {
  #emulator;
  #listener = () => {};
  /** Since the last command was typed. */
  #seen = '';
  #line = '';
  #commands = 0;

  /**
   * Boots from `disks.hda`; `disks` are v86's options (hda, hdb, cdrom). `prepare(emulator)` adds
   * devices before the machine starts; `listener(line)` hears what is typed and printed.
   */
  static async boot({ disks, prepare = async () => {}, listener }) {
    const guest = new Guest();
    if (listener) guest.#listener = listener;
    await guest.#load(disks);
    await prepare(guest.#emulator);
    guest.#emulator.add_listener('serial0-output-byte', (byte) => guest.#heard(byte));
    await guest.#emulator.run();
    await guest.#find(/guest-ready\r?\n/, BOOT_MS);
    await guest.run('true'); // after which the shell has said who it is
    return guest;
  }

  get emulator() {
    return this.#emulator;
  }

  /** Runs a shell command and gives `{ status, output }`; throws when it takes too long. */
  async run(command, milliseconds = COMMAND_MS) {
    this.#commands += 1;
    const mark = `end-of-${this.#commands}`;
    this.#seen = '';
    this.#listener(`# ${command}\n`);
    // Typed in two parts, so that an echo would not be taken for the end.
    this.#emulator.serial0_send(`${command}\necho "end-of-""${this.#commands} $?"\n`);
    const [, output, status] = await this.#find(
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

  /** Follows a run state: processors and disks stand still while the machine does not run. */
  follow(state, disks) {
    state.addHandler(async (now) => {
      if (now !== 'running') {
        await this.#emulator.stop();
      } else {
        await this.#emulator.run();
        for (const disk of disks) disk.resume();
      }
    });
  }

  /** The guest halts; all that it wrote has reached its disks. */
  async powerOff() {
    this.#emulator.serial0_send('umount /mnt 2> /dev/null; sync; poweroff -f\n');
    await this.#find(/Power down|System halted/, COMMAND_MS);
    await this.destroy();
  }

  async destroy() {
    await this.#emulator.destroy();
  }

  async #load(disks) {
    const { bios, vgaBios } = await guestImage();
    this.#emulator = new V86({
      wasm_path: fileURLToPath(new URL('v86.wasm', import.meta.resolve('v86'))),
      memory_size: MEMORY,
      vga_memory_size: 2 * 1024 * 1024,
      bios: image(bios),
      vga_bios: image(vgaBios),
      acpi: false,
      virtio_balloon: true,
      autostart: false,
      disable_speaker: true,
      ...disks,
    });
    await new Promise((resolve) => this.#emulator.add_listener('emulator-loaded', resolve));
  }

  #heard(byte) {
    const text = String.fromCharCode(byte);
    this.#seen += text;
    this.#line += text;
    if (text !== '\n') return;
    if (!this.#line.startsWith('end-of-')) this.#listener(this.#line);
    this.#line = '';
  }

  async #find(pattern, milliseconds) {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const match = pattern.exec(this.#seen);
      if (match) {
        this.#seen = this.#seen.slice(match.index + match[0].length);
        return match;
      }
      if (Date.now() > deadline) {
        throw new Error(`the guest did not print ${pattern} in time; it printed:\n${this.#seen}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
