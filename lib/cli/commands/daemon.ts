import type { Command } from 'commander';
import type { Action } from '../daemon/daemon.js';
import type { DaemonOptions } from '../daemon/run.js';

const DESCRIPTION = `Opens images and serves them until it is told to quit: takes the command line of
qemu-storage-daemon, and drives as QEMU does. Options are carried out in their order.
They are key=value lists, or JSON.`;

const AFTER = `
Examples:
  blk daemon --blockdev file,node-name=f,filename=disk.img \\
    --blockdev raw,node-name=disk,file=f \\
    --chardev socket,id=c,path=qmp.sock,server=on,wait=off --monitor c
  blk daemon --drive id=drive0,file=disk.img,format=raw,throttling.iops-total=100 \\
    --chardev stdio,id=c --monitor c

SIGINT, SIGTERM and the command quit end it: requests are waited for, images are
flushed and closed. Exit codes: 0 fine, 1 error, 2 usage.`;

export function addDaemon(program: Command): void {
  const actions: Action[] = [];
  const collect = (option: Action['option']) => (text: string) => {
    actions.push({ option, text });
  };
  program
    .command('daemon')
    .summary('serve images, with a QMP monitor')
    .description(DESCRIPTION)
    .option(
      '--blockdev <options>',
      'open a node: [driver=]DRIVER,node-name=NAME,...',
      collect('blockdev'),
    )
    .option(
      '--drive <options>',
      'make a drive: id=NAME,file=IMAGE,format=DRIVER,...',
      collect('drive'),
    )
    .option('--object <options>', 'make an object: [qom-type=]TYPE,id=ID,...', collect('object'))
    .option(
      '--chardev <options>',
      'stdio,id=ID or socket,id=ID,path=PATH,server=on,wait=off',
      collect('chardev'),
    )
    .option(
      '--monitor <options>',
      'speak QMP on a chardev: [chardev=]ID[,pretty=on]',
      collect('monitor'),
    )
    .option(
      '--nbd-server <options>',
      'serve NBD: addr.type=unix,addr.path=PATH or addr.type=inet,addr.host=HOST,addr.port=PORT',
      collect('nbd-server'),
    )
    .option(
      '--export <options>',
      'export a node: [type=]nbd,id=ID,node-name=NODE,name=NAME,writable=on',
      collect('export'),
    )
    .option('-T, --trace <options>', 'accepted; NODE_DEBUG=block-backend traces')
    .option('--pidfile <path>', 'write the process ID to a file when all is ready')
    .option('--daemonize', 'go on in the background when all is ready')
    .addHelpText('after', AFTER)
    .action(async (options: DaemonOptions) => {
      const { runDaemon } = await import('../daemon/run.js');
      await runDaemon(actions, options);
    });
}
