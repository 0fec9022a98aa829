// Why the addon did not load, and the command that helps: one sentence each.
import type { ElfProblem } from './elf.js';
import { isCheckout, libcOfFile, prebuiltPlatforms } from './locate.js';

/** Of the process, so that tests can be on another host. */
export interface Host {
  readonly platform: string;
  /** undefined on musl. */
  readonly glibc: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

interface Explanation {
  readonly cause: string;
  readonly help: string;
}

export function thisHost(): Host {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return {
    platform: `${process.platform}-${process.arch}`,
    glibc: header?.glibcVersionRuntime,
    env: process.env,
  };
}

/** Quoted for a shell, if it must be. */
const quoted = (path: string): string =>
  /^[\w./@+-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;

const libcOf = (host: Host): 'glibc' | 'musl' => (host.glibc === undefined ? 'musl' : 'glibc');

const buildCommand = (root: string): string =>
  isCheckout(root) ? 'npm run build' : 'npx blk rebuild';

const compileHere = (root: string): string => `To compile it here, run: ${buildCommand(root)}`;

/** Only a prebuilt binary comes with the package; others were compiled and are compiled again. */
function replaceCommand(root: string, path: string): string {
  if (isCheckout(root)) return 'npm run clean && npm run build';
  return path.includes('/prebuilds/') ? `rm -rf ${quoted(root)} && npm install` : 'npx blk rebuild';
}

/** No file in build/ or prebuilds/ belongs to this platform and C library. */
export function explainMissing(root: string, host: Host): Explanation {
  const override = host.env.BLOCK_BACKEND_PREBUILD;
  if (override) {
    return {
      cause: `BLOCK_BACKEND_PREBUILD names ${override}, which has none for ${host.platform}`,
      help: 'To use the binary of the package, run: unset BLOCK_BACKEND_PREBUILD',
    };
  }
  const present = prebuiltPlatforms(root);
  const found = present.length === 0 ? 'prebuilds/ is empty' : `there is ${present.join(', ')}`;
  return {
    cause: `no binary for ${host.platform} (${libcOf(host)}); ${found}`,
    help: compileHere(root),
  };
}

/** The file is not one to give to dlopen(). */
export function explainElf(root: string, path: string, problem: ElfProblem): Explanation {
  const command = replaceCommand(root, path);
  if (problem.kind === 'machine') {
    return {
      cause: `${path} is for ${problem.found}, this Node for ${process.arch}`,
      help: `To replace it, run: ${command}`,
    };
  }
  return {
    cause: `${path} is damaged: ${problem.length} bytes, expected ${problem.expected} or more`,
    help: `To install it again, run: ${command}`,
  };
}

/** node-gyp-build takes every system that is not Alpine for one with glibc, unless LIBC is set. */
function explainLibc(path: string, host: Host): Explanation | undefined {
  const built = libcOfFile(path);
  const running = libcOf(host);
  if (built === undefined || built === running) return undefined;
  return {
    cause: `${path} is for ${built}, and this Node runs on ${running}`,
    help: `To choose the other one, run: ${host.env.LIBC ? 'unset LIBC' : `export LIBC=${running}`}`,
  };
}

const rules: readonly {
  readonly pattern: RegExp;
  readonly explain: (match: RegExpExecArray, root: string, path: string, host: Host) => Explanation;
}[] = [
  {
    pattern: /version [`'](\w+_[\d.]+)' not found/,
    explain: ([, version], root, path, host) => ({
      cause: `${path} needs ${version}, which this system (glibc ${host.glibc}) is too old for`,
      help: compileHere(root),
    }),
  },
  {
    // glibc's words, and musl's.
    pattern: /(lib[\w+.-]+\.so[\d.]*): (?:cannot open shared object file|No such file)/,
    explain: ([, library], root, path) => ({
      cause: `${path} needs ${library}, which is not installed`,
      help:
        library === 'libstdc++.so.6'
          ? 'To install it, run: apt-get install libstdc++6 (dnf: libstdc++)'
          : compileHere(root),
    }),
  },
  {
    pattern: /failed to map segment from shared object/,
    explain: (_, _root, path) => ({
      cause: `${path} lies on a file system that is mounted noexec`,
      help: `To allow it, run: mount -o remount,exec "$(findmnt -no TARGET -T ${quoted(path)})"`,
    }),
  },
  {
    pattern: /requires Node-API version \d+/,
    explain: () => ({
      cause: `Node.js ${process.versions.node} is too old, 20.3 is needed`,
      help: 'To use a newer one, run: npx -y node@22 PROGRAM.js',
    }),
  },
];

/** dlopen() or the registration of the module failed. */
export function explainLoad(root: string, path: string, cause: unknown, host: Host): Explanation {
  const wrongLibc = explainLibc(path, host);
  if (wrongLibc) return wrongLibc;
  const text = cause instanceof Error ? cause.message : String(cause);
  for (const { pattern, explain } of rules) {
    const match = pattern.exec(text);
    if (match) return explain(match, root, path, host);
  }
  const [firstLine] = text.trim().split('\n', 1);
  return { cause: firstLine ?? text, help: compileHere(root) };
}

export const sentence = ({ cause, help }: Explanation): string =>
  `block-backend: cannot load the native addon: ${cause}. ${help}`;
