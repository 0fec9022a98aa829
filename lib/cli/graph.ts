import { statSync, writeFileSync } from 'node:fs';
import type { AioContext } from '../aio/context.js';
import {
  BlockBackend,
  type DrawingFormat,
  drawGraph,
  type GraphDump,
  graphDump,
} from '../index.js';
import { usageError } from './shared/cli-error.js';
import { type EngineOptions, withContext } from './shared/engine.js';
import { imageOptions } from './shared/image.js';

export interface GraphOptions extends EngineOptions {
  readonly format: DrawingFormat;
  readonly json?: boolean;
  readonly output?: string;
  readonly writable?: boolean;
  readonly direct?: boolean;
}

/** Opens the images one after the other, so that all are open when the dump is made. */
async function dumpOf(
  [image, ...others]: readonly string[],
  options: GraphOptions,
  context: AioContext,
): Promise<GraphDump> {
  if (image === undefined) return graphDump();
  const { writable, direct } = options;
  const opened = imageOptions(image, { readOnly: writable !== true, direct });
  await using _ = await BlockBackend.open(opened, { context });
  return await dumpOf(others, options, context);
}

function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino;
}

/** A slip of the hand must not replace a disk by its picture. */
function checkOutput(output: string, { nodes }: GraphDump): void {
  for (const { options } of nodes) {
    if (typeof options.filename === 'string' && isSameFile(options.filename, output)) {
      throw usageError(`--output ${output} is a file of the image`);
    }
  }
}

export async function runGraph(images: readonly string[], options: GraphOptions): Promise<void> {
  const { format, json, output } = options;
  const dump = await withContext(options, (context) => dumpOf(images, options, context));
  const text = json === true ? `${JSON.stringify(dump, undefined, 2)}\n` : drawGraph(dump, format);
  if (output === undefined) {
    process.stdout.write(text);
    return;
  }
  checkOutput(output, dump);
  writeFileSync(output, text);
}
