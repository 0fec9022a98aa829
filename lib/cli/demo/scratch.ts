import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A raw image full of holes, in a temporary folder of its own. */
export class ScratchImage implements Disposable {
  readonly filename: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.filename = join(folder, 'disk.img');
  }

  static async create(bytes: number): Promise<ScratchImage> {
    const scratch = new ScratchImage(mkdtempSync(join(tmpdir(), 'blk-demo-')));
    try {
      await using file = await open(scratch.filename, 'wx', 0o600);
      await file.truncate(bytes);
      return scratch;
    } catch (error) {
      scratch[Symbol.dispose]();
      throw error;
    }
  }

  /** An image that is open stays usable, and nothing can leave it behind then. */
  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
