// What may be in the tarball. Everything else is a mistake of package.json's `files`.

/** What a user of the package reads, runs or compiles. */
const allowed = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|CMakeLists\.txt)$/,
  /^dist\/.+\.(js|mjs|d\.ts|d\.mts|js\.map|mjs\.map)$/,
  /^prebuilds\/linux-(x64|arm64)\/block-backend\.napi\.(glibc|musl)\.node$/,
  /^native\/.+\.(cpp|hpp|h|map)$/,
  /^docs\/.+\.(md|svg|png)$/,
  /^examples\/.+\.(mjs|js|ts|md)$/,
];

/** Without these the package neither runs nor compiles. */
const required = [
  'dist/core.js',
  'dist/index.js',
  'dist/index.mjs',
  'dist/index.d.ts',
  'dist/index.d.mts',
  'dist/more.js',
  'dist/rest.js',
  'dist/cli/main.js',
  'CMakeLists.txt',
  'native/binding/',
  'LICENSE',
];

const looksLikeTest = (path) => /(^|\/)(test|__tests__)\/|\.test\.|jest/.test(path);

/** What is wrong with a list of packed paths, as sentences. */
export function contentFindings(paths) {
  const strange = paths.filter(
    (path) => looksLikeTest(path) || !allowed.some((pattern) => pattern.test(path)),
  );
  const missing = required.filter((start) => !paths.some((path) => path.startsWith(start)));
  return [
    ...strange.map((path) => `${path} has no place in the package`),
    ...missing.map((path) => `${path} is missing`),
  ];
}

const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
const BUILD_TOOLS = ['cmake-js', 'node-addon-api', 'node-gyp', 'prebuildify', 'typescript'];

/** An installation runs nothing and brings no tool that only a compilation needs. */
export function manifestFindings({ scripts = {}, dependencies = {}, gypfile }) {
  return [
    ...INSTALL_SCRIPTS.filter((name) => name in scripts).map((name) => `has a script "${name}"`),
    ...BUILD_TOOLS.filter((name) => name in dependencies).map((name) => `depends on ${name}`),
    // npm runs node-gyp on its own account otherwise, if it finds a binding.gyp.
    ...(gypfile === false ? [] : ['does not say "gypfile": false']),
  ];
}

/** What a release needs of the manifest, beyond that it can be installed. */
export function releaseFindings({ repository, version }, tag) {
  return [
    // npm compares it with where the workflow ran.
    ...(repository === undefined
      ? ['package.json has no "repository", which provenance needs: add the public address first']
      : []),
    ...(tag === undefined || tag === `v${version}`
      ? []
      : [`the tag is ${tag}, but package.json has version ${version}: expected v${version}`]),
  ];
}
