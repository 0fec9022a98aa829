// The other side: qemu-io runs a batch of requests.
import { spawn } from 'node:child_process';
import { toolEnvironment } from './tools.mjs';

const PROMPT = 'qemu-io> ';

/** strerror(3) of what can happen here. */
const codes = new Map([
  ['Input/output error', 'EIO'],
  ['Invalid argument', 'EINVAL'],
  ['No space left on device', 'ENOSPC'],
  ['Operation not permitted', 'EPERM'],
  ['Operation not supported', 'ENOTSUP'],
]);

const flags = (letters) => letters.filter(Boolean).join(' ');

function commandOf({ kind, offset, bytes, pattern, fua, unmap, size }) {
  switch (kind) {
    case 'read':
      return `read -v ${offset} ${bytes}`;
    case 'write':
      return `write ${flags(['-q', fua && '-f', `-P ${pattern}`])} ${offset} ${bytes}`;
    case 'zero':
      return `write ${flags(['-q', '-z', fua && '-f', unmap && '-u'])} ${offset} ${bytes}`;
    case 'discard':
      return `discard -q ${offset} ${bytes}`;
    case 'truncate':
      return `truncate ${size}`;
    default:
      return 'flush';
  }
}

function dataIn(output) {
  const parts = [];
  for (const [, hexadecimal] of output.matchAll(/^[0-9a-f]{8,}: {2}((?:[0-9a-f]{2} ){1,16})/gm)) {
    parts.push(Buffer.from(hexadecimal.replaceAll(' ', ''), 'hex'));
  }
  return Buffer.concat(parts);
}

function outcomeOf({ kind }, output) {
  const failure = /failed: (.*)/.exec(output)?.[1];
  if (failure !== undefined) return { code: codes.get(failure) ?? failure };
  return kind === 'read' ? { code: 'ok', data: dataIn(output) } : { code: 'ok' };
}

/** What qemu-io is started with for this image: { options, cache }. */
function argumentsFor({ options, cache }) {
  const named = Object.entries(options).map(([name, value]) => `${name}=${value}`);
  return ['-d', 'unmap', '-t', cache, '--image-opts', named.join(',')];
}

/** Runs the requests, one after the other, and gives an outcome for each. */
export async function runQemuIo(image, requests) {
  // A resize gives qemu-io the permission to, which it then keeps.
  const commands = [`truncate ${image.length}`, ...requests.map(commandOf)];
  const child = spawn('qemu-io', argumentsFor(image), {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: toolEnvironment(),
  });
  let output = '';
  let complaints = '';
  child.stdout.setEncoding('latin1').on('data', (text) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    complaints += text;
  });
  child.stdin.end(`${commands.join('\n')}\n`);
  const signal = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_code, killed) => resolve(killed));
  });
  if (signal !== null || complaints !== '') {
    throw new Error(`qemu-io: ${signal ?? ''} ${complaints}`.trim());
  }
  // The last prompt has no command.
  const answers = output.split(PROMPT).slice(1, -1);
  if (answers.length !== commands.length) {
    throw new Error(`qemu-io answered ${answers.length} of ${commands.length} commands: ${output}`);
  }
  return requests.map((request, index) => outcomeOf(request, answers[index + 1]));
}
