// What command lines of qemu-io are run on, right and wrong.

/** Disks: what stands on the command line for them. */
export const disks = [
  { weight: 40, args: ['-f', 'raw', 'disk.img'] },
  { weight: 6, args: ['-r', '-f', 'raw', 'disk.img'] },
  { weight: 5, args: ['-n', '-f', 'raw', 'disk.img'], direct: true },
  { weight: 4, args: ['-t', 'writeback', '-f', 'raw', 'disk.img'] },
  { weight: 3, args: ['-t', 'unsafe', '-f', 'file', 'disk.img'] },
  { weight: 3, args: ['--image-opts', 'driver=raw,file.driver=file,file.filename=disk.img'] },
  {
    weight: 3,
    args: [
      '--image-opts',
      'driver=raw,offset=64k,size=128k,file.filename=disk.img,file.driver=file',
    ],
  },
  { weight: 3, args: ['-d', 'off', '--image-opts', 'driver=file,filename=disk.img'] },
  { weight: 2, args: ['-U', '-r', '-f', 'raw', 'disk.img'] },
  { weight: 6, args: ['--image-opts', 'driver=null-co,size=1M,read-zeroes=on'] },
  { weight: 2, args: ['--image-opts', 'driver=null-aio,size=1M,read-zeroes=on'] },
  {
    weight: 5,
    debug: 'below',
    args: [
      '--image-opts',
      'driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename=disk.img',
    ],
  },
  {
    weight: 3,
    debug: 'top',
    args: ['--image-opts', 'driver=blkdebug,align=4096,image.driver=file,image.filename=disk.img'],
  },
  {
    weight: 4,
    debug: 'top',
    args: [
      '--image-opts',
      'driver=blkdebug,image.driver=file,image.filename=disk.img,inject-error.0.event=none,inject-error.0.iotype=write,inject-error.0.errno=28',
    ],
  },
  {
    weight: 2,
    debug: 'below',
    args: [
      '--image-opts',
      'driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename=disk.img,file.inject-error.0.event=read_aio,file.inject-error.0.errno=5,file.inject-error.0.once=on',
    ],
  },
  {
    weight: 2,
    debug: 'top',
    args: [
      '--image-opts',
      'driver=blkdebug,max-transfer=4096,image.driver=file,image.filename=disk.img,inject-error.0.event=none,inject-error.0.iotype=discard',
    ],
  },
  { weight: 3, args: [], none: true },
  { weight: 3, args: ['disk.img'], guessed: true },
];

export const wrongLines = [
  ['-x', 'disk.img'],
  ['--frob'],
  ['-c'],
  ['disk.img', 'other.img'],
  ['-t', 'frob', 'disk.img'],
  ['-d', 'frob', 'disk.img'],
  ['-i', 'frob', 'disk.img'],
  ['--image-opts', '-f', 'raw', 'disk.img'],
  ['--fo', 'raw', 'disk.img'],
  ['--image-opts=1', 'disk.img'],
  ['--cmd'],
  ['-f', 'raw', 'missing.img'],
  ['-f', 'frob', 'disk.img'],
  ['-r', '--ca=none', '-c', 'length', 'disk.img'],
  ['--cac=frob'],
  ['-f', 'raw', '.'],
  ['-U', '-f', 'raw', 'disk.img'],
  ['-rV', '-x'],
  ['--no', '-f', 'raw', '-c', 'length', 'disk.img'],
  ['-f', 'raw', 'missing/disk.img'],
  ['-f', 'raw', 'disk.img/x'],
  ['-C', '-r', '-f', 'raw', 'disk.img'],
];

export const sessions = [
  (disk) => ['close', 'length', `open -o driver=raw ${disk}`, 'length'],
  (disk) => [`open ${disk}`, 'length'],
  (disk) => ['close', `open -r -o driver=raw ${disk}`, 'write 0 512', 'close'],
  () => ['close', 'open -o driver=raw missing.img', 'length'],
  (disk) => ['close', `open -t frob ${disk}`, `open -x ${disk}`, `open ${disk} ${disk}`],
  (disk) => ['quit', `read 0 512 ${disk}`],
  (disk) => ['q', disk],
  () => ['close', 'open', 'open -o', 'open -d'],
];
