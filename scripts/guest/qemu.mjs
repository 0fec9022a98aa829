// A QEMU machine without a screen that boots the guest, and its console.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { release } from 'node:os';
import { inRoot, UserError } from '../lib/project.mjs';
import { foreignEnv, which } from '../lib/run.mjs';
import { readStamp, writeStamp } from '../lib/stale.mjs';
import { GuestConsole } from './console.mjs';
import { guestImage, KERNEL_ARGUMENTS } from './image.mjs';

const PROGRAM = 'qemu-system-x86_64';
/** A kernel takes a second or two with KVM ... */
const BOOT_KVM_MS = 20_000;
/** ... and some ten without it, or several times that on a busy machine. */
const BOOT_TCG_MS = 240_000;

/** On which host KVM was of no use: finding that out takes all of its time. */
const STAMP = inRoot('node_modules/.cache/block-backend/kvm.json');

function hasKvm() {
  if (readStamp(STAMP).useless === release()) return false;
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

export class QemuGuest extends GuestConsole {
  /** 'kvm' or 'tcg' */
  accelerator;
  #process;
  #exit;

  /**
   * Boots with `devices`, arguments of QEMU; with KVM where that works: not every host that has it
   * runs a guest. `listener(line)` hears what is typed and printed.
   */
  static async boot({ devices, listener, accelerator }) {
    if (!which(PROGRAM)) throw new UserError(`${PROGRAM} not found`);
    const chosen = accelerator ?? (hasKvm() ? 'kvm' : 'tcg');
    const guest = await QemuGuest.#start(chosen, devices, listener);
    try {
      await guest.ready(chosen === 'kvm' ? BOOT_KVM_MS : BOOT_TCG_MS);
      return guest;
    } catch (error) {
      await guest.destroy();
      if (chosen !== 'kvm') throw error;
      writeStamp(STAMP, { useless: release() });
      return QemuGuest.boot({ devices, listener, accelerator: 'tcg' });
    }
  }

  static async #start(accelerator, devices, listener) {
    const { kernel, initramfs } = await guestImage();
    const guest = new QemuGuest((text) => guest.#process.stdin.write(text), listener);
    guest.accelerator = accelerator;
    guest.#process = spawn(
      PROGRAM,
      [
        ...['-machine', 'pc', '-accel', accelerator, '-m', '128', '-no-user-config', '-nodefaults'],
        ...['-display', 'none', '-no-reboot', '-serial', 'stdio'],
        ...['-kernel', kernel, '-initrd', initramfs, '-append', KERNEL_ARGUMENTS],
        ...devices,
      ],
      { env: foreignEnv(), stdio: ['pipe', 'pipe', 'pipe'] },
    );
    guest.#listen();
    return guest;
  }

  /** The guest halts, and QEMU with it. */
  async powerOff() {
    this.type('sync; poweroff -f\n');
    const code = await this.#exit;
    if (code !== 0) throw new Error(`${PROGRAM} ended with ${code}`);
  }

  async destroy() {
    this.#process.kill('SIGKILL');
    await this.#exit;
  }

  #listen() {
    const child = this.#process;
    let complaints = '';
    child.stdout.setEncoding('latin1').on('data', (text) => this.heard(text));
    child.stderr.setEncoding('utf8').on('data', (text) => {
      complaints += text;
    });
    child.stdin.on('error', () => {});
    this.#exit = new Promise((resolve) => {
      child.on('error', (error) => {
        this.ended(error.message);
        resolve(-1);
      });
      child.on('close', (code) => {
        this.ended(`${PROGRAM} ended with ${code}: ${complaints.trim()}`);
        resolve(code ?? -1);
      });
    });
  }
}
