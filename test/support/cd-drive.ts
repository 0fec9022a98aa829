// A device model with removable media, which writes down what it is told.
import {
  type BlockDevOps,
  type BlockEvents,
  blockEvents,
  type DeviceTrayMovedEvent,
} from '../../lib/index.js';

export interface CdDriveSettings {
  /** Default true. */
  readonly tray?: boolean;
}

/** A CD drive, with a tray or without: its own truth is what it answers. */
export class CdDrive {
  readonly calls: string[];
  trayOpen = false;
  locked = false;
  /** What the next load throws. */
  refusal: Error | undefined;
  /** Runs when the guest is asked for the medium. */
  asked: () => void = () => {};

  constructor(calls: string[] = []) {
    this.calls = calls;
  }

  ops({ tray = true }: CdDriveSettings = {}): BlockDevOps {
    return {
      changeMedia: (load) => this.#changeMedia(load),
      ejectRequest: (force) => {
        this.calls.push(`eject request, force ${force}`);
        this.asked();
      },
      isMediumLocked: () => this.locked,
      ...(tray ? { isTrayOpen: () => this.trayOpen } : {}),
    };
  }

  #changeMedia(load: boolean): void {
    this.calls.push(load ? 'load' : 'unload');
    const { refusal } = this;
    this.refusal = undefined;
    if (refusal !== undefined) throw refusal;
    this.trayOpen = !load;
  }
}

function textOf(event: DeviceTrayMovedEvent): string {
  return `tray ${event['tray-open'] ? 'open' : 'closed'}`;
}

/** Adds the tray's events to `calls`, as 'tray open' and 'tray closed', until it is disposed. */
export function recordTray(calls: string[]): Disposable {
  return recordEvents({ DEVICE_TRAY_MOVED: (event) => calls.push(textOf(event)) });
}

/** Listens until it is disposed. */
export function recordEvents(
  listeners: {
    [Name in keyof BlockEvents]?: (...data: BlockEvents[Name]) => void;
  },
): Disposable {
  const entries = Object.entries(listeners) as [keyof BlockEvents, () => void][];
  for (const [name, listener] of entries) blockEvents.on(name, listener);
  return {
    [Symbol.dispose]() {
      for (const [name, listener] of entries) blockEvents.off(name, listener);
    },
  };
}
