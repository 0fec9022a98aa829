import { existsSync } from 'node:fs';
import { join } from 'node:path';
import nodeGypBuild from 'node-gyp-build';
import type { NativeBinding } from './aio/native-binding.js';
import { packageRoot } from './package-root.js';

/** The command that builds the addon: a checkout has scripts, the published package has not. */
function buildCommand(root: string): string {
  return existsSync(join(root, 'scripts/build.mjs'))
    ? 'npm run build'
    : `npx -y cmake-js@8.0.0 rebuild -d ${JSON.stringify(root)}`;
}

function describe(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.trim().split('\n', 1)[0] ?? text;
}

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
  try {
    // Honours BLOCK_BACKEND_PREBUILD, then build/Release, then prebuilds/.
    return loadAddon(nodeGypBuild.path(root));
  } catch (cause) {
    throw new Error(
      `block-backend: cannot load the native addon: ${describe(cause)}. To build it here, run: ${buildCommand(root)}`,
      { cause },
    );
  }
}

export const native: NativeBinding = loadNative();
