// The text of `info blockstats`, here and in the genuine program's human monitor.
import { BlockBackend, infoBlockstats } from '../../../lib/index.js';
import { drivesOfQemu, withDrives } from '../../support/genuine-drives.js';
import { QEMU, startQemu, withGenuine } from '../../support/genuine-qemu.js';
import { image } from '../../support/images.js';
import { fastDisk } from '../../support/null-disk.js';
import { describeWith } from '../../support/tools.js';

test('info blockstats: what a drive did, on one line', async () => {
  await using blk = await BlockBackend.open(fastDisk(), { name: 'd', accountRequests: true });
  await blk.pwrite(0, Buffer.alloc(1024));
  await blk.pread(0, Buffer.alloc(512));
  await blk.flush();
  const { stats } = blk;
  const text = infoBlockstats().replace(/idle_time_ns=\d+/, 'idle_time_ns=?');
  expect(text).toBe(
    'd: rd_bytes=512 wr_bytes=1024 rd_operations=1 wr_operations=1 flush_operations=1 ' +
      `wr_total_time_ns=${stats.wr_total_time_ns} rd_total_time_ns=${stats.rd_total_time_ns} ` +
      `flush_total_time_ns=${stats.flush_total_time_ns} rd_merged=0 wr_merged=0 idle_time_ns=?\n`,
  );
});

describeWith([QEMU], 'info blockstats, genuine', () => {
  test('info blockstats: every line is what the genuine program prints', async () => {
    const images = { writable: image(1 << 20), readOnly: image(1 << 20) };
    const genuine = await withGenuine(startQemu(drivesOfQemu(images)), (qmp) =>
      qmp.human('info blockstats'),
    );
    expect(await withDrives(images, () => infoBlockstats())).toBe(genuine);
  });
});
