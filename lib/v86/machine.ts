// What the adapter uses of a v86 machine, version 0.5.462; its types do not say it.

/** One field of a virtio capability, served by I/O ports. */
export interface VirtioField {
  readonly bytes: number;
  readonly name: string;
  readonly read: () => number;
  readonly write: (value: number) => void;
}

export interface VirtioDescriptor {
  readonly addr_low: number;
  readonly addr_high: number;
  readonly len: number;
}

/** One request of the guest (v86: VirtQueueBufferChain). */
export interface BufferChain {
  readonly read_buffers: readonly VirtioDescriptor[];
  readonly write_buffers: readonly VirtioDescriptor[];
  readonly length_readable: number;
  readonly length_writable: number;
  get_next_blob(target: Uint8Array): number;
  set_next_blob(source: Uint8Array): number;
}

export interface VirtQueue {
  has_request(): boolean;
  pop_request(): BufferChain;
  push_reply(chain: BufferChain): void;
  flush_replies(): void;
}

export interface VirtioOptions {
  readonly name: string;
  readonly pci_id: number;
  readonly device_id: number;
  readonly subsystem_device_id: number;
  readonly common: {
    readonly initial_port: number;
    readonly queues: readonly { readonly size_supported: number; readonly notify_offset: number }[];
    readonly features: readonly number[];
    readonly on_driver_ok: () => void;
  };
  readonly notification: {
    readonly initial_port: number;
    readonly single_handler: boolean;
    readonly handlers: readonly ((queue: number) => void)[];
  };
  readonly isr_status: { readonly initial_port: number };
  readonly device_specific: {
    readonly initial_port: number;
    readonly struct: readonly VirtioField[];
  };
}

export interface VirtioDevice {
  readonly queues: readonly VirtQueue[];
  is_feature_negotiated(feature: number): boolean;
  needs_reset(): void;
  reset(): void;
}

/** The drive of a machine (v86: IDEInterface). */
export interface V86Cdrom {
  /** What is in it. */
  readonly buffer: object | null | undefined;
  set_cdrom(buffer: object): void;
  eject(): void;
}

/** (v86: FloppyDrive) */
export interface V86Floppy {
  readonly buffer: object | null | undefined;
  /** False for a medium that the drive does not take. */
  insert_disk(buffer: object, readOnly: boolean): boolean;
  eject_disk(): void;
}

export interface V86Cpu {
  readonly devices: {
    readonly virtio_balloon?: { readonly virtio: VirtioDevice };
    readonly cdrom?: V86Cdrom;
    readonly fdc?: { readonly drives: readonly V86Floppy[] };
  };
  readonly mem8: Uint8Array;
}

type VirtioConstructor = new (cpu: V86Cpu, options: VirtioOptions) => VirtioDevice;

/** An instance of v86's class V86, after its event 'emulator-loaded'. */
export interface V86Emulator {
  readonly v86: { readonly cpu: object };
}

/** The processor of a machine that has been loaded. */
export function cpuOf(emulator: V86Emulator): V86Cpu {
  return emulator.v86.cpu as V86Cpu;
}

/** v86's class for virtio devices, which only a device that is there shows; undefined without one. */
export function virtioOf(cpu: V86Cpu): VirtioConstructor | undefined {
  return cpu.devices.virtio_balloon?.virtio.constructor as VirtioConstructor | undefined;
}

/** The CD-ROM drive that every machine of this version has. */
export function cdromOf(emulator: V86Emulator): V86Cdrom | undefined {
  return cpuOf(emulator).devices.cdrom;
}

export function floppyOf(emulator: V86Emulator, index: number): V86Floppy | undefined {
  return cpuOf(emulator).devices.fdc?.drives[index];
}
