import { explainLoad, type Host, sentence } from '../../lib/addon/explain';

const alpineLike: Host = { platform: 'linux-x64', glibc: undefined, env: {} };
const debianLike: Host = { platform: 'linux-x64', glibc: '2.31', env: {} };
const PATH = '/app/node_modules/block-backend/prebuilds/linux-x64/block-backend.napi.glibc.node';
const ROOT = '/app/node_modules/block-backend';

const explained = (text: string, host: Host): string =>
  sentence(explainLoad(ROOT, PATH, new Error(text), host));

describe('explain', () => {
  test('explain: a musl that is not Alpine is told how to choose its binary', () => {
    expect(explained('Error loading shared library ld-linux-x86-64.so.2', alpineLike)).toMatch(
      /is for glibc, and this Node runs on musl\. To choose the other one, run: export LIBC=musl$/,
    );
  });

  test('explain: a missing libstdc++ has the command that installs it', () => {
    const text = 'libstdc++.so.6: cannot open shared object file: No such file or directory';
    expect(explained(text, debianLike)).toMatch(
      /needs libstdc\+\+\.so\.6, which is not installed\. To install it, run: apt-get install libstdc\+\+6/,
    );
  });

  test('explain: a Node without the Node-API version has the command that runs a newer one', () => {
    const text =
      'The module requires Node-API version 9, but this version of Node.js only supports 8';
    expect(explained(text, debianLike)).toMatch(
      /is too old, 20\.3 is needed\. To use a newer one, run: npx -y node@22 PROGRAM\.js$/,
    );
  });

  test('explain: what nobody foresaw is quoted, with the command that compiles', () => {
    expect(explained('something else\nand more', debianLike)).toBe(
      'block-backend: cannot load the native addon: something else. To compile it here, run: npx blk rebuild',
    );
  });
});
