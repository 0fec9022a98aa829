import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The package's folder: the code runs from dist/ and, in tests, from lib/. */
export function packageRoot(): string {
  let folder = __dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`block-backend: no package.json above ${__dirname}`);
    folder = parent;
  }
  return folder;
}
