import { invalidArgumentValue } from '../../errors/argument-errors.js';
import type { GraphDump } from '../dump.js';
import { drawDot } from './dot.js';
import { type Drawing, drawingOf } from './drawing.js';
import { drawSvg } from './svg.js';
import { drawText } from './text.js';

/** A tree for terminals, a file for Graphviz, or a picture. */
export type DrawingFormat = 'text' | 'dot' | 'svg';

const FORMATS: Readonly<Record<DrawingFormat, (drawing: Drawing) => string>> = {
  text: drawText,
  dot: drawDot,
  svg: drawSvg,
};

/**
 * A dump as a text, in which whatever names and options contain is escaped. The same dump gives
 * the same text.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE for a format that is none.
 */
export function drawGraph(dump: GraphDump, format: DrawingFormat): string {
  if (!Object.hasOwn(FORMATS, format)) {
    const known = Object.keys(FORMATS).join(', ');
    throw invalidArgumentValue('format', `one of ${known}`, format);
  }
  return FORMATS[format](drawingOf(dump));
}
