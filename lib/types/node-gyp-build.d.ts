declare module 'node-gyp-build' {
  const nodeGypBuild: {
    /** The path of the addon of the package whose root folder is given. */
    path(packageRoot: string): string;
  };
  export default nodeGypBuild;
}
