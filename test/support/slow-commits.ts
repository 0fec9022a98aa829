// Moments between what lib/ finds quiet and what native/ does then, which other threads use.
import { native } from '../../lib/native.js';

const SPIN_NS = 300_000n;

function spin(): void {
  const end = process.hrtime.bigint() + SPIN_NS;
  while (process.hrtime.bigint() < end);
}

/** Until it is disposed, each call of native/ that leads an edge elsewhere comes a little later. */
export function slowCommits(): Disposable {
  const backendSetRoot = native.backendSetRoot.bind(native);
  const nodeSetChild = native.nodeSetChild.bind(native);
  native.backendSetRoot = (...given) => {
    spin();
    return backendSetRoot(...given);
  };
  native.nodeSetChild = (...given) => {
    spin();
    return nodeSetChild(...given);
  };
  return {
    [Symbol.dispose]() {
      Object.assign(native, { backendSetRoot, nodeSetChild });
    },
  };
}
