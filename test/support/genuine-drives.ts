// The same drives here and in a machine of the genuine program: names, devices, media, policies.
import { BlockBackend, blockdevAdd, createDrive, ThrottleGroup } from '../../lib/index.js';
import { CdDrive } from './cd-drive.js';
import { clearGraph } from './graph.js';

/** Images that both use; the sizes are not the same. */
export interface DriveImages {
  readonly writable: string;
  readonly readOnly: string;
}

const VIRTIO = (id: string): string => `/machine/peripheral/${id}/virtio-backend`;

const NULL_NODE = {
  driver: 'throttle',
  'node-name': 'dev',
  'throttle-group': 'tg',
  file: { driver: 'null-co', 'node-name': 'below', 'read-zeroes': true },
};

/**
 * An empty CD drive; a throttled disk with a device that writes through; a read-only medium in a CD
 * drive; a drive without a device; a node with a device; a node without one.
 */
export function drivesOfQemu({ writable, readOnly }: DriveImages): string[] {
  const limits =
    'throttling.iops-total=100,throttling.iops-total-max=200,throttling.iops-total-max-length=2,' +
    'throttling.bps-write=5000,throttling.iops-size=4096,throttling.group=foo,' +
    'stats-intervals.0=5,stats-intervals.1=60,stats-account-failed=off';
  const group = { 'qom-type': 'throttle-group', id: 'tg', limits: { 'iops-total': 100 } };
  return [
    ...['-object', JSON.stringify(group)],
    ...['-blockdev', JSON.stringify({ driver: 'null-co', 'node-name': 'nodev' })],
    ...['-blockdev', JSON.stringify(NULL_NODE)],
    ...['-drive', 'if=none,id=empty0'],
    ...[
      '-drive',
      `if=none,id=drive0,file=${writable},format=raw,cache=none,detect-zeroes=on,${limits}`,
    ],
    ...['-drive', `if=none,id=drive1,file=${readOnly},format=raw,readonly=on,cache=unsafe`],
    ...['-drive', 'if=none,id=drive2,file.driver=null-co,format=raw,throttling.bps-total=5'],
    ...['-device', 'virtio-scsi-pci,id=scsi0'],
    ...['-device', 'virtio-blk-pci,drive=drive0,id=virtio0,write-cache=off'],
    ...['-device', 'virtio-blk-pci,drive=dev,id=virtio1'],
    ...['-device', 'scsi-cd,id=cd0,drive=empty0'],
    ...['-device', 'scsi-cd,id=cd1,drive=drive1'],
  ];
}

/** The CD drive with the medium, whose tray and lock are the test's. */
export interface Drives {
  readonly cd1: CdDrive;
}

/** Runs `body` with those drives; nothing is left of them when this resolves. */
export async function withDrives<T>(
  { writable, readOnly }: DriveImages,
  body: (drives: Drives) => Promise<T> | T,
): Promise<T> {
  const group = new ThrottleGroup('tg', { 'iops-total': 100 });
  try {
    await blockdevAdd({ driver: 'null-co', 'node-name': 'nodev' });
    await blockdevAdd(NULL_NODE);
    const empty0 = await createDrive({}, { name: 'empty0' });
    const drive0 = await createDrive(
      {
        file: writable,
        cache: { direct: true },
        'detect-zeroes': 'on',
        throttling: {
          'iops-total': 100,
          'iops-total-max': 200,
          'iops-total-max-length': 2,
          'bps-write': 5000,
          'iops-size': 4096,
          group: 'foo',
        },
      },
      { name: 'drive0', 'stats-intervals': [5, 60], 'stats-account-failed': 'off' },
    );
    const drive1 = await createDrive(
      { file: readOnly, 'read-only': true, cache: { 'no-flush': true } },
      { name: 'drive1' },
    );
    await createDrive(
      { file: { driver: 'null-co' }, throttling: { 'bps-total': 5 } },
      { name: 'drive2' },
    );
    const dev = await BlockBackend.open('dev');
    drive0.writeCache = false;
    const cd1 = new CdDrive();
    attach(drive0, {}, '', VIRTIO('virtio0'));
    attach(dev, {}, '', VIRTIO('virtio1'));
    attach(empty0, new CdDrive(), 'cd0');
    attach(drive1, cd1, 'cd1');
    return await body({ cd1 });
  } finally {
    await clearGraph();
    group.delete();
  }
}

function attach(blk: BlockBackend, device: object, id: string, path = ''): void {
  blk.attachDevice(device, id, path);
  blk.setDeviceOps(device instanceof CdDrive ? device.ops() : {});
  blk.iostatusEnable();
}
