// Lines about drives.

import { sizeOf } from '../../options/size.js';
import { commitAll, commitDevice } from '../commit.js';
import { driveDel } from '../drive-del.js';
import { addDrive } from '../drive-options.js';
import { blockSetIoThrottle } from '../io-throttle.js';
import { eject } from '../media.js';
import { blockResize } from '../resize.js';
import type { HumanCommand } from './human-command.js';
import { infoBlock } from './info-block.js';
import { infoBlockstats } from './info-blockstats.js';

const LIMITS = ['bps', 'bps_rd', 'bps_wr', 'iops', 'iops_rd', 'iops_wr'] as const;

function integerIn(word: string, name: string): number {
  const value = sizeOf(word);
  if (value === undefined) throw new TypeError(`${name} must be a number, not '${word}'`);
  return value;
}

/** These say what went wrong without 'Error: ' in front. */
async function plainly(body: () => Promise<string>): Promise<string> {
  try {
    return await body();
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}\n`;
  }
}

async function commit(device: string): Promise<string> {
  await (device === 'all' ? commitAll() : commitDevice(device));
  return '';
}

export const diskCommands: readonly HumanCommand[] = [
  {
    name: 'info blockstats',
    parameters: [],
    doc: 'what drives did',
    run: infoBlockstats,
  },
  {
    name: 'info block',
    parameters: ['[-n]', '[-v]', '[device]'],
    doc: 'drives, or with -n nodes; with -v their images as well',
    run: ({ flags, words: [device] }) =>
      infoBlock({ nodes: flags.has('n'), verbose: flags.has('v'), device }),
  },
  {
    name: 'drive_add',
    parameters: ['[-n]', 'pci_address', 'options'],
    doc: 'make a drive by the options of the command line; the address is not used',
    run: ({ words: [, options = ''] }) =>
      plainly(async () => {
        await addDrive(options);
        return 'OK\n';
      }),
  },
  {
    name: 'drive_del',
    parameters: ['id'],
    doc: 'take a drive away',
    run: ({ words: [id = ''] }) =>
      plainly(async () => {
        await driveDel(id);
        return '';
      }),
  },
  {
    name: 'block_resize',
    parameters: ['device', 'size'],
    doc: 'resize the medium of a drive, in MiB without a suffix',
    async run({ words: [device = '', size = ''] }) {
      const text = /\d$/.test(size) ? `${size}M` : size;
      await blockResize({ device, size: integerIn(text, 'size') });
      return '';
    },
  },
  {
    name: 'block_set_io_throttle',
    parameters: ['device', ...LIMITS],
    doc: 'limit a drive',
    async run({ words: [device = '', ...words] }) {
      const [bps = 0, bps_rd = 0, bps_wr = 0, iops = 0, iops_rd = 0, iops_wr = 0] = words.map(
        (word, index) => integerIn(word, LIMITS[index] ?? ''),
      );
      await blockSetIoThrottle({ device, bps, bps_rd, bps_wr, iops, iops_rd, iops_wr });
      return '';
    },
  },
  {
    name: 'eject',
    parameters: ['[-f]', 'device'],
    doc: 'open the tray of a drive and take the medium out; -f: even if the guest has locked it',
    async run({ flags, words: [device] }) {
      await eject({ device, force: flags.has('f') });
      return '';
    },
  },
  {
    name: 'commit',
    parameters: ['device|all'],
    doc: 'move what overlays hold into their backing files',
    run: ({ words: [device = ''] }) => plainly(() => commit(device)),
  },
];
