import { elfProblem } from './addon/elf.js';
import { explainElf, explainLoad, explainMissing, sentence, thisHost } from './addon/explain.js';
import { findAddon } from './addon/locate.js';
import { usualPlace } from './addon/usual-place.js';
import type { NativeBinding } from './aio/native-binding.js';
import { packageRoot } from './package-root.js';

/**
 * Not by require(), which gives every caller in a thread the same object: the addon has one owner,
 * and where these modules are loaded twice (jest does, for every test file) each copy needs its own.
 */
function loadAddon(path: string): NativeBinding {
  const addon: { exports: unknown } = { exports: {} };
  process.dlopen(addon, path);
  return addon.exports as NativeBinding;
}

function loadNative(): NativeBinding {
  if (process.platform !== 'linux') {
    throw new Error(`block-backend: runs on Linux only, this is ${process.platform}`);
  }
  const root = packageRoot();
  const path = usualPlace(root) ?? findAddon(root);
  if (path === undefined) throw new Error(sentence(explainMissing(root, thisHost())));
  const problem = elfProblem(path);
  if (problem) throw new Error(sentence(explainElf(root, path, problem)));
  try {
    return loadAddon(path);
  } catch (cause) {
    throw new Error(sentence(explainLoad(root, path, cause, thisHost())), { cause });
  }
}

export const native: NativeBinding = loadNative();
