// `blk top` on a monitor of ours.
import { join } from 'node:path';
import { BlockBackend } from '../../lib/index.js';
import { blk } from '../support/blk.js';
import { useMonitor } from '../support/monitor.js';

const monitor = useMonitor();

describe('top', () => {
  test('shows what the drives do', async () => {
    await using disk = await BlockBackend.open(
      { driver: 'null-co', size: 1024 * 1024 },
      { name: 'drive0', accountRequests: true },
    );
    disk.ioLimitsEnable('drive0');
    disk.setIoLimits({ 'iops-total': 100 });
    let done = false;
    const load = async (): Promise<void> => {
      const buffer = disk.allocate(4096);
      while (!done) await disk.pread(0, buffer);
    };
    const loads = [load(), load()];
    const { code, stdout } = await blk([
      'top',
      monitor().path,
      '--interval',
      '500ms',
      '--count',
      '2',
    ]);
    done = true;
    await Promise.all(loads);
    expect(code).toBe(0);
    expect(stdout.match(/drive0/g)).toHaveLength(2);
    expect(stdout).toMatch(/in flight.*throttled/);
  });

  test('as JSON, with the requests that wait for a limit', async () => {
    await using disk = await BlockBackend.open(
      { driver: 'null-co', size: 1024 * 1024 },
      { name: 'drive0', accountRequests: true },
    );
    disk.ioLimitsEnable('drive0');
    disk.setIoLimits({ 'iops-total': 1 });
    const buffer = disk.allocate(4096);
    // Enough for a minute, in which even an instrumented `blk` has started.
    const reads = Array.from({ length: 60 }, () => disk.pread(0, buffer));
    const { stdout } = await blk([
      'top',
      monitor().path,
      '--interval',
      '200ms',
      '--count',
      '1',
      '--json',
    ]);
    const [drive] = JSON.parse(stdout);
    expect(drive).toMatchObject({ name: 'drive0' });
    expect(drive.throttled).toBeGreaterThanOrEqual(1);
    disk.setIoLimits({ 'iops-total': 1_000_000 });
    await Promise.all(reads);
  });

  test('no monitor there is one sentence', async () => {
    const { code, stderr } = await blk(['top', join(monitor().path, 'none')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^blk: no monitor at '.*none': .*ENOTDIR.*\n$/);
  });

  test('without drives it says so', async () => {
    const { stdout } = await blk(['top', monitor().path, '--interval', '10ms', '--count', '1']);
    expect(stdout).toBe('no drives\n');
  });
});
