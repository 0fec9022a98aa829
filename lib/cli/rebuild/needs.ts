// What compiling the addon needs, and the commands that install it.
import { accessSync, constants, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { CliError } from '../shared/cli-error.js';

/** The folders of the npm packages that only a compilation needs. */
export interface BuildPackages {
  readonly cmakeJs: string;
  readonly nodeAddonApi: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Any of the names will do; the first is the one to install. */
const PROGRAMS: readonly (readonly string[])[] = [
  ['cmake'],
  ['make', 'ninja'],
  ['g++', 'c++', 'clang++'],
];

const INSTALLERS = [
  { program: 'apt-get', command: 'apt-get install cmake make g++ liburing-dev libuv1-dev' },
  { program: 'apk', command: 'apk add cmake make g++ linux-headers liburing-dev libuv-dev' },
  { program: 'dnf', command: 'dnf install cmake make gcc-c++ liburing-devel libuv-devel' },
];

export function hasProgram(name: string, env: Environment): boolean {
  return (env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** How this system installs a compiler and the libraries' headers. */
function installCommand(env: Environment): string {
  const known = INSTALLERS.find(({ program }) => hasProgram(program, env));
  return known?.command ?? 'the package manager (a C++20 compiler, CMake, make, liburing, libuv)';
}

export function requirePrograms(env: Environment): void {
  const missing = PROGRAMS.filter(
    ([name = '', ...others]) =>
      // CMake honours it before all others.
      !(name === 'g++' && env.CXX) && ![name, ...others].some((each) => hasProgram(each, env)),
  ).map(([name]) => name);
  if (missing.length > 0) {
    throw new CliError(`rebuild needs ${missing.join(', ')}: run ${installCommand(env)}`);
  }
}

/** They may be dependencies of the project, or lie beside the package. */
function findPackage(name: string, folders: readonly string[]): string | undefined {
  for (const folder of folders) {
    try {
      const resolve = createRequire(join(folder, 'package.json')).resolve;
      return dirname(resolve(`${name}/package.json`));
    } catch {
      // Not from here.
    }
  }
  return undefined;
}

/** The version that the package was developed with. */
function wantedVersion(root: string, name: string): string {
  const text = readFileSync(join(root, 'package.json'), 'utf8');
  const { devDependencies = {} } = JSON.parse(text) as { devDependencies?: Environment };
  return `${name}@${(devDependencies[name] ?? 'latest').replace(/^\^/, '')}`;
}

export function requirePackages(root: string, project: string): BuildPackages {
  const folders = [root, project];
  const cmakeJs = findPackage('cmake-js', folders);
  const nodeAddonApi = findPackage('node-addon-api', folders);
  if (cmakeJs !== undefined && nodeAddonApi !== undefined) return { cmakeJs, nodeAddonApi };
  const names = [
    ...(cmakeJs === undefined ? ['cmake-js'] : []),
    ...(nodeAddonApi === undefined ? ['node-addon-api'] : []),
  ];
  const wanted = ['cmake-js', 'node-addon-api'].map((name) => wantedVersion(root, name)).join(' ');
  // npm removes what it does not know of when it installs anything, so both are always named.
  throw new CliError(
    `rebuild needs ${names.join(' and ')}: run npm install --no-save ${wanted} and then npx blk rebuild`,
  );
}
