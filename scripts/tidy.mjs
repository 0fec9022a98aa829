// clang-tidy over the C++ sources: minutes, so it is no part of `npm test`. `npm run tidy [-- FILE...]`
import { availableParallelism } from 'node:os';
import { writeCompileCommands } from './build.mjs';
import { captureOutput } from './lib/capture.mjs';
import { inRoot, log, main, UserError } from './lib/project.mjs';
import { capture, which } from './lib/run.mjs';

const CLANG_TIDY = 'clang-tidy-19';
const commands = inRoot('build/tidy');

function sources() {
  const listed = capture('git', ['ls-files', 'native/*.cpp', 'native/**/*.cpp']);
  return listed === undefined ? [] : [...new Set(listed.split('\n'))];
}

/** Prints what it finds; true when there is nothing. */
async function check(file) {
  const found = await captureOutput(CLANG_TIDY, ['--quiet', '-p', commands, inRoot(file)]);
  const clean = !/(warning|error):/.test(found);
  log('tidy', clean ? `${file}: clean` : `${file}:\n${found}`);
  return clean;
}

await main(import.meta, async (files) => {
  if (!which(CLANG_TIDY)) {
    throw new UserError(`${CLANG_TIDY} not found (Debian package ${CLANG_TIDY})`);
  }
  await writeCompileCommands(commands);
  const waiting = files.length > 0 ? [...files] : sources();
  let failed = 0;
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      if (!(await check(file))) failed += 1;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  log('tidy', failed > 0 ? `${failed} files have findings` : 'clean');
  return failed > 0 ? 1 : 0;
});
