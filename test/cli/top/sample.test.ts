import { ratesBetween, type Sample } from '../../../lib/cli/top/sample.js';

const NOTHING = {
  rd_bytes: 0,
  wr_bytes: 0,
  rd_operations: 0,
  wr_operations: 0,
  flush_operations: 0,
  rd_total_time_ns: 0,
  wr_total_time_ns: 0,
  flush_total_time_ns: 0,
};

const sample = (time: number, stats: Partial<typeof NOTHING>): Sample => ({
  time,
  drives: new Map([['drive0', { stats: { ...NOTHING, ...stats }, activity: undefined }]]),
});

describe('top', () => {
  test('blk top: the latency is the mean of reads, writes and flushes', () => {
    const after = sample(1000, {
      rd_operations: 5,
      wr_operations: 3,
      flush_operations: 2,
      rd_total_time_ns: 500,
      wr_total_time_ns: 300,
      flush_total_time_ns: 1200,
    });
    expect(ratesBetween(sample(0, {}), after)).toMatchObject([{ latency: 200 }]);
  });

  test('blk top: where nothing was done there is no latency', () => {
    expect(ratesBetween(sample(0, {}), sample(1000, {}))).toMatchObject([
      { name: 'drive0', reads: 0, writes: 0, latency: undefined },
    ]);
  });
});
