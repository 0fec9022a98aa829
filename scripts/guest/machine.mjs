// A v86 machine without a screen that boots the guest, and its console.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';
import { GuestConsole } from './console.mjs';
import { guestImage } from './image.mjs';

const MEMORY = 128 * 1024 * 1024;
/** A kernel of this size takes about half a minute, and several times that on a busy machine. */
const BOOT_MS = 240_000;

const image = (path) => ({ buffer: new Uint8Array(readFileSync(path)).buffer });

export class Guest extends GuestConsole {
  #emulator;

  /**
   * Boots from `disks.hda`; `disks` are v86's options (hda, hdb, cdrom). `prepare(emulator)` adds
   * devices before the machine starts; `listener(line)` hears what is typed and printed.
   */
  static async boot({ disks, prepare = async () => {}, listener }) {
    const guest = new Guest((text) => guest.#emulator.serial0_send(text), listener);
    await guest.#load(disks);
    await prepare(guest.#emulator);
    guest.#emulator.add_listener('serial0-output-byte', (byte) =>
      guest.heard(String.fromCharCode(byte)),
    );
    await guest.#emulator.run();
    await guest.ready(BOOT_MS);
    return guest;
  }

  get emulator() {
    return this.#emulator;
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
    this.type('umount /mnt 2> /dev/null; sync; poweroff -f\n');
    await this.find(/Power down|System halted/);
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
}
