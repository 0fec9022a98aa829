// The ways in which another medium comes into a drive.
import {
  blockdevCloseTray,
  blockdevInsertMedium,
  blockdevOpenTray,
  blockdevRemoveMedium,
  eject,
} from '../../dist/index.mjs';

/** As an operator does it, with the tray. */
async function throughTheTray(changes, index) {
  const { drive } = changes;
  const id = drive.blk.deviceId;
  await drive.changingMedia(index, async () => {
    await changes.control('open tray', () => blockdevOpenTray({ id }));
    await changes.pause(0, 20);
    await changes.control('remove medium', () => blockdevRemoveMedium({ id }));
    await changes.pause(0, 20);
    const medium = { id, 'node-name': drive.media[index].name };
    await changes.control('insert medium', () => blockdevInsertMedium(medium));
    await changes.control('close tray', () => blockdevCloseTray({ id }));
  });
}

/** The drive stays empty for a while, and nothing may reach what was in it. */
async function withoutMedium(changes, index) {
  const { drive } = changes;
  const device = drive.name;
  await drive.changingMedia(undefined, () => changes.control('eject', () => eject({ device })));
  await changes.pause(5, 40);
  const medium = { device, 'node-name': drive.media[index].name };
  await drive.changingMedia(index, async () => {
    await changes.control('insert medium', () => blockdevInsertMedium(medium));
    await changes.control('close tray', () => blockdevCloseTray({ device }));
  });
}

/** Under the guest's hands: what waits goes to the new one. */
async function inPlace(changes, index) {
  const { drive } = changes;
  await drive.changingMedia(index, () =>
    changes.control('replace root', () => drive.blk.replaceRoot(drive.media[index].name)),
  );
}

/** Without a word to the device. */
async function outAndIn(changes, index) {
  const { drive } = changes;
  await drive.changingMedia(index, async () => {
    await changes.control('remove', () => drive.blk.remove());
    await changes.pause(0, 10);
    await changes.control('insert', () => drive.blk.insert(drive.media[index].name));
  });
}

export const mediaChanges = [throughTheTray, withoutMedium, inPlace, outAndIn];
