import { PROGRAM } from './arguments.js';

/** The version of qemu-io whose command line and output this is. */
export const EMULATED_VERSION = '7.2';

export const USAGE = `Usage: ${PROGRAM} [OPTIONS]... [-c STRING]... [file]
Runs the commands of qemu-io ${EMULATED_VERSION} on a disk; without -c it asks for them.

  -c, --cmd STRING     run this command; may be given several times
  -f, --format FMT     the driver of the disk, which is guessed otherwise
      --image-opts     file is a list of options: driver=raw,file.filename=x
  -r, --read-only      open it to be read only
  -n, --nocache        past the page cache, as -t none
  -t, --cache MODE     none, directsync, writeback, writethrough or unsafe
  -d, --discard MODE   unmap or ignore
  -i, --aio MODE       threads, native or io_uring
  -k, --native-aio     as -i native
  -C, --copy-on-read   reads keep what they had to read from a backing file
  -U, --force-share    while others do with it what they like
  -s, --snapshot       writes go to a temporary file (needs qcow2)
  -m, --misalign       misalign the memory of requests
  -T, --trace ARG      does nothing
  -h, --help           display this help and exit
  -V, --version        output version information and exit

'${PROGRAM} -c help' lists the commands. In this package it is called blk io.`;
