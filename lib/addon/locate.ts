// Which binary of the package belongs to this Node.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import nodeGypBuild from 'node-gyp-build';

/** A checkout has scripts that build, the published package has not. */
export const isCheckout = (root: string): boolean => existsSync(join(root, 'scripts/build.mjs'));

/**
 * The file to load, or undefined if there is none for this platform. Honours BLOCK_BACKEND_PREBUILD,
 * then build/Release, then prebuilds/.
 */
export function findAddon(root: string): string | undefined {
  try {
    return nodeGypBuild.path(root);
  } catch {
    return undefined;
  }
}

/** What prebuilds/ has, as `linux-x64 (glibc)`. */
export function prebuiltPlatforms(root: string): string[] {
  const folder = join(root, 'prebuilds');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .sort()
    .flatMap((platform) =>
      readdirSync(join(folder, platform))
        .sort()
        .map((file) => `${platform} (${libcOfFile(file) ?? file})`),
    );
}

/** The C library that a prebuilt binary's name carries; one built on the spot has none. */
export function libcOfFile(path: string): 'glibc' | 'musl' | undefined {
  const tag = /\.(glibc|musl)\.node$/.exec(path)?.[1];
  return tag === 'glibc' || tag === 'musl' ? tag : undefined;
}
