import { BlockError } from '../../errors/block-error.js';
import { diskCommand } from '../command.js';
import { sizeText } from '../report.js';
import { strerror } from '../strerror.js';

export const length = diskCommand({
  name: 'length',
  alias: 'l',
  summary: 'gets the length of the current file',
  run(io, _argv, blk) {
    try {
      io.out(sizeText(blk.getLengthSync()));
      return 0;
    } catch (error) {
      if (!(error instanceof BlockError)) throw error;
      io.out(`getlength: ${strerror(error.errno)}`);
      return error.errno;
    }
  },
});
