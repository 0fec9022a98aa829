// Where the binary is on nearly every system. To ask node-gyp-build takes 2.4 ms, most of which it
// takes to load it; so it is asked where the answer may be another (locate.ts).
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What node-gyp-build heeds of the environment, for this package. */
const HEEDED = [
  'BLOCK_BACKEND_PREBUILD',
  'LIBC',
  'PREBUILDS_ONLY',
  'npm_config_arch',
  'npm_config_platform',
];

/** What node-gyp-build would answer; undefined if that takes more than a look. */
export function usualPlace(root: string): string | undefined {
  if (HEEDED.some((name) => process.env[name])) return undefined;
  const built = join(root, 'build/Release/block_backend.node');
  if (existsSync(built)) return built;
  if (existsSync(join(root, 'build')) || existsSync('/etc/alpine-release')) return undefined;
  const file = `prebuilds/linux-${process.arch}/block-backend.napi.glibc.node`;
  const prebuilt = join(root, file);
  return existsSync(prebuilt) ? prebuilt : undefined;
}
