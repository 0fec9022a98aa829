declare module 'node-gyp-build' {
  /** Loads the addon of the package whose root folder is given. */
  export default function load(packageRoot: string): unknown;
}
