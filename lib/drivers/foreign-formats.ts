// Formats that other programs would find in an image, QEMU among them. This package need not have a
// driver for one to be careful: who probes the image next may have.

import { magic, type Signature } from '../graph/signature.js';

export const foreignSignatures: readonly Signature[] = [
  magic('QFI\xfb'), // qcow, qcow2
  magic('QED\0'), // qed
  magic('KDMV'), // vmdk
  magic('COWD'), // vmdk of ESX
  magic('# Disk DescriptorFile'), // vmdk's description
  { offset: 64, bytes: '7f10dabe' }, // vdi
  magic('conectix'), // vpc
  magic('vhdxfile'), // vhdx
  magic('LUKS\xba\xbe'), // luks
  magic('WithoutFreeSpace'), // parallels
  magic('WithouFreSpacExt'),
  magic('Bochs Virtual HD Image'), // bochs
  magic('#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n'), // cloop
];
