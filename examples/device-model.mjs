// A device model: an IDE-like drive, whose registers a guest writes. See docs/getting-started.md.
//
//   node examples/device-model.mjs disk.img
import { BlockBackend, RunState, setRunState } from 'block-backend';

const Command = { readDma: 0xc8, writeDma: 0xca, flush: 0xe7 };
const Status = { error: 0x01, ready: 0x40, busy: 0x80 };

class IdeDrive {
  registers = { lba: 0, count: 1, status: Status.ready };
  #request; // what the guest waits for
  #drained = false;

  constructor(blk, id, machine, interrupt) {
    Object.assign(this, { blk, machine, interrupt, dma: blk.allocate(256 * 512) });
    blk.attachDevice(this, id);
    blk.iostatusEnable();
    blk.setDeviceOps(this);
    machine.addHandler(() => this.#send());
  }

  /** The guest writes the command register. */
  command(code) {
    const { lba, count, status } = this.registers;
    if (status & Status.busy) return;
    this.registers.status = Status.busy;
    this.#request = { code, offset: lba * 512, data: this.dma.subarray(0, count * 512) };
    this.#send();
  }

  #send() {
    const request = this.#request;
    if (!request || request.sent || this.#drained || !this.machine.isRunning) return;
    request.sent = true;
    const { aio } = this.blk;
    const { code, offset, data } = request;
    const done = (error) => this.#done(request, error);
    if (code === Command.readDma) aio.pread(offset, data, done);
    else if (code === Command.writeDma) aio.pwrite(offset, data, done);
    else aio.flush(done);
  }

  #done(request, error) {
    request.sent = false;
    if (!error) this.blk.retrySucceeded();
    const action = error ? this.failed(error, request.code === Command.readDma) : 'ignore';
    if (action === 'stop' || action === 'retry') return; // it is kept, and sent again
    this.#request = undefined;
    this.registers.status = Status.ready | (action === 'report' ? Status.error : 0);
    this.interrupt();
  }

  failed({ errno }, isRead) {
    const action = this.blk.getErrorAction(isRead, -errno);
    this.blk.errorAction(action, isRead, -errno);
    return action;
  }

  drainedBegin() {
    this.#drained = true;
  }

  drainedEnd() {
    this.#drained = false;
    this.#send();
  }

  retryRequest = () => this.#send();
}

const machine = new RunState();
setRunState(machine);
const file = { driver: 'file', filename: process.argv[2] ?? 'disk.img' };
const blk = await BlockBackend.open({ driver: 'raw', 'read-only': true, file }, { name: 'hd0' });
const drive = new IdeDrive(blk, 'ide0-hd0', machine, async () => {
  console.log(drive.registers.status.toString(16), drive.dma.toString('hex', 0, 32));
  await blk.close();
});
drive.command(Command.readDma);
