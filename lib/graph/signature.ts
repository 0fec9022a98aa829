// The bytes by which image formats are recognised.

/** Bytes of an image's header that tell its format. */
export interface Signature {
  readonly offset: number;
  /** In hexadecimal. */
  readonly bytes: string;
}

/** The text as a signature at the beginning of the image. */
export function magic(text: string, offset = 0): Signature {
  return { offset, bytes: Buffer.from(text, 'latin1').toString('hex') };
}

/** The header has all bytes of one of them. */
export function matchesAny(signatures: readonly Signature[], header: Uint8Array): boolean {
  return signatures.some(({ offset, bytes }) => {
    const expected = Buffer.from(bytes, 'hex');
    return expected.equals(header.subarray(offset, offset + expected.length));
  });
}

/** As native drivers read them: '0:514649fb,64:7f10dabe'. */
export function signatureList(signatures: readonly Signature[]): string {
  return signatures.map(({ offset, bytes }) => `${offset}:${bytes}`).join(',');
}
