// An authority, a server and clients of it, made anew with openssl; and keys that both sides know.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from './matrix.js';
import { foreignEnv } from './tools.js';

const folder = scratchFolder();
let count = 0;

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { cwd: folder, env: foreignEnv(), stdio: 'pipe' });
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const;

/** A directory as QEMU and libnbd want it, for both sides. */
export interface Authority {
  readonly dir: string;
  file(name: string): Buffer;
}

function sign(dir: string, name: string, subject: string, extensions: string): void {
  const [key, cert] = [join(dir, `${name}-key.pem`), join(dir, `${name}-cert.pem`)];
  const [request, extras] = [join(dir, `${name}.csr`), join(dir, `${name}.ext`)];
  writeFileSync(extras, extensions);
  openssl('req', ...KEY, '-keyout', key, '-out', request, '-subj', subject);
  const ca = ['-CA', join(dir, 'ca-cert.pem'), '-CAkey', join(dir, 'ca-key.pem')];
  const from = ['-req', '-in', request, ...ca, '-CAcreateserial', '-days', '30'];
  openssl('x509', ...from, '-extfile', extras, '-out', cert);
}

/** With a server's certificate for localhost and a client's, 'CN=guest,O=lab'. */
export function authority(): Authority {
  count += 1;
  const dir = join(folder, `authority${count}`);
  mkdirSync(dir);
  const [key, cert] = [join(dir, 'ca-key.pem'), join(dir, 'ca-cert.pem')];
  openssl('req', '-x509', ...KEY, '-keyout', key, '-out', cert, '-days', '30', '-subj', '/CN=ca');
  const usage = 'keyUsage=critical,digitalSignature\nextendedKeyUsage=';
  const names = 'subjectAltName=DNS:localhost,IP:127.0.0.1\n';
  sign(dir, 'server', '/CN=localhost', `${names}${usage}serverAuth\n`);
  sign(dir, 'client', '/O=lab/CN=guest', `${usage}clientAuth\n`);
  return { dir, file: (name) => readFileSync(join(dir, name)) };
}

export interface SharedKey {
  readonly identity: string;
  readonly key: Buffer;
  /** As GnuTLS wants it. */
  readonly file: string;
  /** Where it is. */
  readonly dir: string;
}

/** In a directory of its own. */
export function sharedKey(identity = 'guest'): SharedKey {
  count += 1;
  const dir = join(folder, `keys${count}`);
  mkdirSync(dir);
  const key = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
  const file = join(dir, 'keys.psk');
  writeFileSync(file, `${identity}:${key.toString('hex')}\n`);
  return { identity, key, file, dir };
}
