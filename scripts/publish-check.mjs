// What must hold before anything is published: all binaries, nothing strange in the tarball, entry points
// and types that every consumer resolves, and a manifest that provenance can be attested for.
// `npm run publish:check [-- TARBALL] [--tag v1.2.3]`
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { attw, publint } from './lib/package-checks.mjs';
import { inRoot, log, main, root } from './lib/project.mjs';
import { capture, mustRun } from './lib/run.mjs';
import { contentFindings, manifestFindings, releaseFindings } from './pack/contents.mjs';
import { packedFiles } from './pack/project.mjs';
import { removePrebuilds } from './prebuilds/build.mjs';
import { gateFindings } from './prebuilds/gate.mjs';
import { inspectTarget } from './prebuilds/inspect.mjs';
import { targets } from './prebuilds/targets.mjs';

/** The files of a tarball, as paths in the package. */
function filesIn(tarball) {
  const names = capture('tar', ['--list', '--file', resolve(tarball)]) ?? '';
  return names.split('\n').map((name) => name.replace(/^package\//, ''));
}

/** What is looked at is what was packed, and nothing else that lies about. */
async function unpackBinaries(tarball) {
  removePrebuilds();
  const args = ['--extract', '--file', tarball, '--directory', root, '--strip-components=1'];
  await mustRun('unpacking', 'tar', [...args, 'package/prebuilds']);
}

function binaryFindings() {
  const lacking = gateFindings();
  if (lacking.length > 0) return lacking;
  try {
    for (const target of targets) log('publish', `${target.id}: ${inspectTarget(target)}`);
    return [];
  } catch (error) {
    return [error.message];
  }
}

await main(import.meta, async (argv) => {
  const options = {
    /** The tag that is published; it must be that of the version. */
    tag: { type: 'string' },
    /** Only what needs no binaries and no public address. */
    shape: { type: 'boolean', default: false },
  };
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  const [tarball] = positionals;
  await setupAndBuild();
  if (tarball) await unpackBinaries(resolve(tarball));
  const manifest = JSON.parse(readFileSync(inRoot('package.json'), 'utf8'));
  const findings = [
    ...manifestFindings(manifest),
    ...contentFindings(tarball ? filesIn(tarball) : packedFiles()),
  ];
  if ((await publint()) !== 0) findings.push('publint has findings');
  if ((await attw()) !== 0) findings.push('attw (are the types wrong?) has findings');
  if (!values.shape) {
    findings.push(...binaryFindings(), ...releaseFindings(manifest, values.tag));
  }
  for (const finding of findings) log('publish', finding);
  log('publish', findings.length > 0 ? 'not fit to be published' : 'ready');
  return findings.length > 0 ? 1 : 0;
});
