// Source packages of Debian, checked by apt: from the mirrors and with the keys that it is set up with.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UserError } from './project.mjs';
import { mustRun, which } from './run.mjs';

const SYSTEM = '/etc/apt';

/** apt's own sources, of packages' sources instead of binaries. */
function writeSourceLists(folder) {
  mkdirSync(folder, { recursive: true });
  const parts = join(SYSTEM, 'sources.list.d');
  const lists = [join(SYSTEM, 'sources.list')].filter((file) => existsSync(file));
  if (existsSync(parts)) lists.push(...readdirSync(parts).map((name) => join(parts, name)));
  for (const list of lists.filter((file) => /\.(list|sources)$/.test(file))) {
    const text = readFileSync(list, 'utf8');
    const sources = list.endsWith('.list')
      ? text.replace(/^deb-src .*$/gm, '').replace(/^deb /gm, 'deb-src ')
      : text.replace(/^Types:.*$/gm, 'Types: deb-src');
    writeFileSync(join(folder, basename(list)), sources);
  }
}

/** Where a package's source lies, without version. */
async function download(name, folder) {
  const apt = join(folder, 'apt');
  const lists = join(apt, 'lists');
  writeSourceLists(join(apt, 'sources.list.d'));
  mkdirSync(join(lists, 'partial'), { recursive: true });
  const options = ['-qq', '-o', 'Dir::Etc::SourceList=/dev/null'];
  options.push('-o', `Dir::Etc::SourceParts=${join(apt, 'sources.list.d')}`);
  options.push('-o', `Dir::State::Lists=${lists}`, '-o', 'APT::Sandbox::User=root');
  await mustRun('apt-get update', 'apt-get', [...options, 'update']);
  const args = ['source', '--download-only', '--only-source', name];
  await mustRun(`the download of ${name}`, 'apt-get', [...options, ...args], { cwd: folder });
}

/**
 * Fetches and unpacks the upstream source of a Debian source package (only the members that match, if
 * any are named) and returns the folder that it made.
 */
export async function debianSource(name, folder, members = []) {
  const unpacked = join(folder, name);
  const done = join(unpacked, '.complete');
  if (existsSync(done)) return unpacked;
  if (!which('apt-get')) throw new UserError(`the source of ${name} comes from Debian, by apt-get`);
  rmSync(unpacked, { recursive: true, force: true });
  mkdirSync(unpacked, { recursive: true });
  const archive = () =>
    readdirSync(folder).find(
      (file) => file.startsWith(`${name}_`) && /\.orig\.tar\.\w+$/.test(file),
    );
  if (!archive()) await download(name, folder);
  const tar = ['--extract', '--file', join(folder, archive()), '--directory', unpacked];
  tar.push('--strip-components=1', ...(members.length > 0 ? ['--wildcards', ...members] : []));
  await mustRun(`unpacking ${name}`, 'tar', tar);
  writeFileSync(done, '');
  return unpacked;
}
