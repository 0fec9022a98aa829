// How many bytes an ioctl reads or writes behind its pointer. The kernel would use whatever lies
// there, and its number does not tell whether that holds further addresses, so only requests that
// are known to be plain data go through. SG_IO has its own form, sgIo().

/** Requests from before the size became part of the number (linux/fs.h, cdrom.h, hdreg.h). */
const UNENCODED: ReadonlyMap<number, number> = new Map([
  [0x0301, 16], // HDIO_GETGEO
  [0x125d, 4], // BLKROSET
  [0x125e, 4], // BLKROGET
  [0x125f, 0], // BLKRRPART
  [0x1260, 8], // BLKGETSIZE
  [0x1261, 0], // BLKFLSBUF
  [0x1263, 8], // BLKRAGET
  [0x1265, 8], // BLKFRAGET
  [0x1267, 2], // BLKSECTGET
  [0x1268, 4], // BLKSSZGET
  [0x1277, 16], // BLKDISCARD
  [0x1278, 4], // BLKIOMIN
  [0x1279, 4], // BLKIOOPT
  [0x127a, 4], // BLKALIGNOFF
  [0x127b, 4], // BLKPBSZGET
  [0x127c, 4], // BLKDISCARDZEROES
  [0x127d, 16], // BLKSECDISCARD
  [0x127e, 2], // BLKROTATIONAL
  [0x127f, 16], // BLKZEROOUT
  [0x2202, 0], // SG_GET_TIMEOUT
  [0x2201, 4], // SG_SET_TIMEOUT
  [0x2203, 4], // SG_EMULATED_HOST
  [0x2272, 4], // SG_GET_RESERVED_SIZE
  [0x2275, 4], // SG_SET_RESERVED_SIZE
  [0x2276, 32], // SG_GET_SCSI_ID
  [0x2282, 4], // SG_GET_VERSION_NUM
  [0x5309, 0], // CDROMEJECT
  [0x5319, 0], // CDROMCLOSETRAY
  [0x5382, 8], // SCSI_IOCTL_GET_IDLUN
  [0x5386, 4], // SCSI_IOCTL_GET_BUS_NUMBER
]);

/**
 * Requests whose number has their size, and whose data holds no addresses and ends where that says
 * (linux/fs.h, blkzoned.h, pr.h). BLKREPORTZONE is not among them: zones follow its header.
 */
const ENCODED: ReadonlySet<number> = new Set([
  0x40081271, // BLKBSZSET
  0x80081270, // BLKBSZGET
  0x80081272, // BLKGETSIZE64
  0x80081280, // BLKGETDISKSEQ
  0x40101283, // BLKRESETZONE
  0x80041284, // BLKGETZONESZ
  0x80041285, // BLKGETNRZONES
  0x40101286, // BLKOPENZONE
  0x40101287, // BLKCLOSEZONE
  0x40101288, // BLKFINISHZONE
  0x401870c8, // IOC_PR_REGISTER
  0x401070c9, // IOC_PR_RESERVE
  0x401070ca, // IOC_PR_RELEASE
  0x401870cb, // IOC_PR_PREEMPT
  0x401870cc, // IOC_PR_PREEMPT_ABORT
  0x401070cd, // IOC_PR_CLEAR
]);

/** What `request` uses behind its pointer, in bytes; undefined when that is not known to be all. */
export function ioctlPayloadBytes(request: number): number | undefined {
  return ENCODED.has(request) ? (request >>> 16) & 0x3fff : UNENCODED.get(request);
}
