import { Errno } from '../../errors/errno.js';
import type { BlockNode } from '../../graph/node.js';
import { diskCommand } from '../command.js';
import { sizeText } from '../report.js';
import { strerror } from '../strerror.js';

/** The node that knows about clusters, where the ones above only pass the question on. */
function informant(node: BlockNode): BlockNode {
  const below = node.storage?.child;
  return below === undefined ? node : informant(below);
}

/** Files say that there are no clusters; null devices say nothing. */
function hasInfo({ driver: { name } }: BlockNode): boolean {
  return name === 'file' || name === 'host_device';
}

export const info = diskCommand({
  name: 'info',
  alias: 'i',
  summary: 'prints information about the current file',
  run(io, _argv, { root }) {
    if (root === undefined) {
      io.out(`info failed: ${strerror(Errno.ENOMEDIUM)}`);
      return Errno.ENOMEDIUM;
    }
    const { driver } = root;
    io.out(`format name: ${driver.name}`);
    if (driver.protocol !== undefined) io.out(`format name: ${driver.name}`);
    if (!hasInfo(informant(root))) return Errno.ENOTSUP;
    io.out(`cluster size: ${sizeText(0)}`);
    io.out(`vm state offset: ${sizeText(0)}`);
    return 0;
  },
});
