// How many bytes an ioctl reads or writes behind its pointer. The kernel would use whatever lies
// there, so a request whose size is unknown is refused.

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
  [0x5309, 0], // CDROMEJECT
  [0x5319, 0], // CDROMCLOSETRAY
]);

/** _IOC_SIZE(request), or what is known about old requests; undefined when nothing is. */
export function ioctlPayloadBytes(request: number): number | undefined {
  const encoded = Math.floor(request / 0x10000) & 0x3fff;
  return encoded === 0 ? UNENCODED.get(request) : encoded;
}
