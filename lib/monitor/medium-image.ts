// Opening the next medium of a drive, as the last one was.

import type { BlockBackend } from '../block-backend.js';
import { invalidArgumentType } from '../errors/argument-errors.js';
import { graph } from '../graph/graph.js';
import { planImage } from '../graph/image-options.js';
import type { BlockNode } from '../graph/node.js';
import type { Inherited } from '../graph/node-state.js';
import { openImage } from '../graph/open-image.js';
import { OptionBag, optionError } from '../graph/option-bag.js';

const READ_ONLY_MODES = ['retain', 'read-only', 'read-write'] as const;

/** QAPI: BlockdevChangeReadOnlyMode. */
export type ReadOnlyMode = (typeof READ_ONLY_MODES)[number];

/** An image as a command names it. */
export interface MediumOptions {
  /** A name, with or without a protocol, or 'json:' and options. */
  readonly filename: string;
  /** Its driver. Default: found out from its first bytes. */
  readonly format?: string | undefined;
  /** Default 'retain': as the last medium. */
  readonly 'read-only-mode'?: ReadOnlyMode | undefined;
}

/** What the last medium hands to the next one; the rest of its flags was for it alone (MED-19). */
function inheritedFrom(blk: BlockBackend, mode: ReadOnlyMode): Inherited {
  const { readOnly: wasReadOnly, cache, openFlags } = blk.rootState;
  const readOnly = mode === 'retain' ? wasReadOnly : mode === 'read-only';
  return {
    readOnly,
    autoReadOnly: false,
    direct: cache.direct,
    noFlush: cache.noFlush,
    forceShare: false,
    discardUnmap: openFlags.includes('unmap'),
    mayWrite: !readOnly,
    noIo: false,
  };
}

function checkOptions({ filename, format, 'read-only-mode': mode }: MediumOptions): void {
  if (typeof filename !== 'string') {
    throw invalidArgumentType('filename', 'of type string', filename);
  }
  if (format !== undefined && typeof format !== 'string') {
    throw invalidArgumentType('format', 'of type string', format);
  }
  if (mode === undefined || READ_ONLY_MODES.includes(mode)) return;
  throw optionError('read-only-mode', `must be one of ${READ_ONLY_MODES.join(', ')}`);
}

/** Opens the image, and closes it after `body` unless somebody uses it by then. */
export async function withMedium(
  blk: BlockBackend,
  options: MediumOptions,
  body: (node: BlockNode) => Promise<void>,
): Promise<void> {
  checkOptions(options);
  const { filename, format: driver, 'read-only-mode': mode = 'retain' } = options;
  if (blk.root !== undefined) blk.saveRootState();
  const bag = OptionBag.from({
    filename,
    driver,
    'detect-zeroes': blk.rootState.detectZeroes ? 'on' : 'off',
  });
  const plan = planImage(bag, inheritedFrom(blk, mode));
  const node = await graph().lock.run('open a medium', async (change) => {
    const opened = await openImage(graph(), plan, blk.context, change);
    opened.references += 1;
    return opened;
  });
  try {
    await body(node);
  } finally {
    node.references -= 1;
    await graph().lock.run('let a medium go', (change) => graph().closeUnused(node, change));
  }
}
