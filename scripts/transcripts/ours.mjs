// Ours: a QMP server in this process, and the same drives and devices.
import { Duplex, PassThrough } from 'node:stream';
import { StreamClient } from './stream-client.mjs';

/** A CD drive as QEMU's ide-cd is to its monitor, while no guest runs. */
function cdDrive() {
  let open = false;
  return {
    changeMedia(load) {
      open = !load;
    },
    ejectRequest() {},
    isTrayOpen: () => open,
    isMediumLocked: () => false,
  };
}

export class Ours {
  #package;
  #server;

  constructor(blockBackend) {
    this.#package = blockBackend;
  }

  /** @param drives [{ options, device, removable }] */
  async start(drives = []) {
    const { createDrive, QmpServer, RunState, setRunState } = this.#package;
    setRunState(new RunState('prelaunch'));
    for (const { options, settings, device, removable } of drives) {
      const blk = await createDrive(options, { permissions: ['consistent-read'], ...settings });
      if (device === undefined) continue;
      blk.attachDevice({}, device);
      blk.iostatusEnable();
      // As QEMU's IDE devices: CDs are read only, disks can be resized.
      await blk.setDevicePermissions({ readOnly: removable, resizable: !removable });
      blk.setDeviceOps(removable ? cdDrive() : {});
    }
    this.#server = new QmpServer();
    const [to, from] = [new PassThrough(), new PassThrough()];
    this.#server.attach(Duplex.from({ readable: to, writable: from }));
    const client = new StreamClient(Duplex.from({ readable: from, writable: to }));
    await client.negotiate();
    return client;
  }

  /** Nothing may be left for the next script. */
  async stop() {
    const { BlockBackend, ThrottleGroup, graphDump, nbdServerStop } = this.#package;
    await this.#server.close();
    await nbdServerStop().catch(() => {});
    await BlockBackend.closeAll();
    for (const blk of BlockBackend.all()) await blk.close();
    for (const group of ThrottleGroup.all()) group.delete();
    const { nodes, backends } = graphDump();
    if (nodes.length + backends.length > 0) throw new Error('nodes or backends are left');
  }
}
