// Fills prebuilds/ for this machine's platform and checks that the binary loads elsewhere.
import { rmSync } from 'node:fs';
import { buildNative } from './build.mjs';
import { inRoot, log, main, tools, UserError } from './lib/project.mjs';
import { capture, mustRunNode } from './lib/run.mjs';
import { filesBelow } from './lib/stale.mjs';
import { setup } from './setup.mjs';

/** The oldest system that the published binaries support is Debian 11; these are its versions. */
const oldest = { GLIBC: '2.31', GLIBCXX: '3.4.28', CXXABI: '1.3.12' };

const newer = (a, b) => a.localeCompare(b, 'en', { numeric: true }) > 0;

/** Fails if the binary needs a newer C or C++ library than the oldest supported system has. */
function checkSymbolVersions(file) {
  const table = capture('readelf', ['--version-info', '--wide', file]) ?? '';
  const needed = {};
  for (const [, library, version] of table.matchAll(/Name: ([A-Z]+)_([\d.]+)/g)) {
    if (newer(version, needed[library] ?? '0')) needed[library] = version;
  }
  const text = Object.entries(needed)
    .map(([library, version]) => `${library} ${version}`)
    .join(', ');
  if (!text) throw new UserError(`readelf finds no symbol versions in ${file}`);
  log('prebuilds', `needs ${text}`);
  const tooNew = Object.keys(oldest).filter((name) => newer(needed[name] ?? '0', oldest[name]));
  if (tooNew.length > 0) {
    throw new UserError(`${tooNew.join(', ')} newer than in Debian 11: build on an older system`);
  }
}

/** Only Node-API's entry points may be visible, or two copies of liburing could mix. */
function checkExports(file) {
  const names = (capture('nm', ['-D', '--defined-only', '--format=just-symbols', file]) ?? '')
    .split('\n')
    .filter((name) => name && !/^(napi|node_api)_/.test(name));
  if (names.length > 0) throw new UserError(`unexpected exported symbols: ${names.join(', ')}`);
}

await main(import.meta, async () => {
  await setup();
  rmSync(inRoot('prebuilds'), { recursive: true, force: true });
  await buildNative({ tests: false });
  // prebuildify takes the binary out of build/Release; "true" stands in for the node-gyp it calls.
  const options = ['--napi', '--strip', '--tag-libc', '--name', 'block-backend.napi'];
  await mustRunNode('prebuildify', tools.prebuildify, [...options, '--node-gyp', 'true']);
  const file = filesBelow('prebuilds').find((path) => path.endsWith('.node'));
  if (!file) throw new UserError('prebuildify made no binary');
  checkSymbolVersions(file);
  checkExports(file);
  // In a process of its own: a truncated binary ends the process that loads it.
  if (capture(process.execPath, ['-p', `require(${JSON.stringify(file)}).version`]) === undefined) {
    throw new UserError(`${file} does not load`);
  }
});
