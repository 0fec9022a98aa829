// Commands on the media of drives.

import {
  blockdevChangeMedium,
  blockdevCloseTray,
  blockdevInsertMedium,
  blockdevOpenTray,
  blockdevRemoveMedium,
  eject,
} from '../../monitor/media.js';
import { command, DEVICE_NOT_FOUND } from '../command.js';
import { bool, enumeration, optional, str } from '../schema/type.js';

/** One of the two: the name of the drive, or the id of its device. */
const drive = { device: optional(str), id: optional(str) } as const;
/** Only the id of the device. */
const device = { id: str } as const;
const classes = DEVICE_NOT_FOUND;

export const mediaCommands = [
  command(
    'blockdev-open-tray',
    { ...drive, force: optional(bool) },
    {
      doc: 'Opens the tray of a drive; a guest that has locked it is asked, or with `force` told.',
      classes,
      run: blockdevOpenTray,
    },
  ),
  command('blockdev-close-tray', drive, {
    doc: 'Closes the tray of a drive on what is in it.',
    classes,
    run: blockdevCloseTray,
  }),
  command('blockdev-remove-medium', device, {
    doc: 'Takes the medium out of an open tray, or of a drive without one.',
    classes,
    run: blockdevRemoveMedium,
  }),
  command(
    'blockdev-insert-medium',
    { ...device, 'node-name': str },
    {
      doc: 'Puts a node into an open tray, or into a drive without one.',
      classes,
      run: blockdevInsertMedium,
    },
  ),
  command(
    'blockdev-change-medium',
    {
      ...drive,
      filename: str,
      format: optional(str),
      force: optional(bool),
      'read-only-mode': optional(
        enumeration('BlockdevChangeReadOnlyMode', ['retain', 'read-only', 'read-write']),
      ),
    },
    {
      doc: 'Opens an image, opens the tray, puts the image in place of the medium and closes the tray.',
      classes,
      run: blockdevChangeMedium,
    },
  ),
  command(
    'eject',
    { ...drive, force: optional(bool) },
    { doc: 'Opens the tray of a drive and takes the medium out.', classes, run: eject },
  ),
];
