// What a target is compiled with: Debian's compilers, installed if that is allowed.
import { canInstall, install } from '../lib/apt.mjs';
import { log } from '../lib/project.mjs';
import { which } from '../lib/run.mjs';
import { LLVM } from './targets.mjs';

/** Program -> Debian package. */
function programsFor(target) {
  const gnuPackage = `g++-${target.gnu.replace('_', '-')}`;
  return {
    [`${target.gnu}-g++`]: gnuPackage,
    // `apt-get source` calls nothing of it, but refuses to start without.
    'dpkg-source': 'dpkg-dev',
    make: 'make',
    cmake: 'cmake',
    ...(target.libc === 'musl'
      ? {
          [`clang++-${LLVM}`]: `clang-${LLVM}`,
          [`ld.lld-${LLVM}`]: `lld-${LLVM}`,
          ninja: 'ninja-build',
        }
      : {}),
  };
}

/** Brings in what is missing; returns why that did not work, or undefined. */
export async function ensureCompilers(target) {
  const missing = () => Object.entries(programsFor(target)).filter(([program]) => !which(program));
  const packages = missing().map(([, debian]) => debian);
  if (packages.length === 0) return undefined;
  if (canInstall()) {
    log('prebuilds', `installing ${packages.join(' ')}`);
    await install(packages);
  }
  const still = missing();
  if (still.length === 0) return undefined;
  const names = still.map(([program, debian]) => `${program} (Debian package ${debian})`);
  return `not found: ${names.join(', ')}`;
}
