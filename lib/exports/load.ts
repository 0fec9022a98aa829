// A load that native code drives, as a native device model would: the yardstick for the JavaScript
// interfaces.
import { controlCall } from '../aio/control.js';
import { environment } from '../aio/environment.js';
import type { NativeBinding, NativeLoadOptions } from '../aio/native-binding.js';
import type { BlockBackend } from '../block-backend.js';
import { failureError } from '../errors/native-failure.js';

export type NativeLoadResult = ReturnType<NativeBinding['loadResult']>;

/** Keeps requests in flight until the time is over. Rejects with the first one's BlockError. */
export async function runNativeLoad(
  blk: BlockBackend,
  options: NativeLoadOptions,
): Promise<NativeLoadResult> {
  const { binding, ring } = environment();
  let slot = 0;
  const outcome = await controlCall(ring, (taken) => {
    slot = taken;
    binding.loadStart(taken, blk.handle, options);
  });
  const result = binding.loadResult(slot);
  if (typeof outcome === 'number') return result;
  throw failureError(outcome, { operation: `load (${options.operation})`, device: blk.name });
}
