// The graph as a picture.

import type { Drawing, DrawnArrow, DrawnBox } from './drawing.js';
import { layOut, type PlacedArrow, type Point, type Rectangle, type Size } from './layout.js';

interface Font {
  readonly size: number;
  readonly line: number;
}

const BOX_FONT: Font = { size: 12, line: 16 };
const ARROW_FONT: Font = { size: 10, line: 13 };
const PADDING = 8;
/** Of a monospaced font, in parts of its size; a little too much, since fonts differ. */
const COLUMN = 0.62;
/** Longer lines are cut; the whole of them shows up under the pointer. */
const MAX_COLUMNS = 48;

const STYLE = `
    text { font-family: monospace; fill: #1b1f24; }
    .title { font-weight: bold; }
    .box { stroke: #57606a; }
    .node { fill: #eef4fb; }
    .user { fill: #fdf3d8; }
    .arrow { fill: none; stroke: #57606a; }
    .tip { fill: #57606a; }
    .paper { fill: #ffffff; }
  `;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** East Asian characters and pictures are twice as wide as others. */
function columns(text: string): number {
  let sum = 0;
  for (const character of text) sum += (character.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2;
  return sum;
}

/** Keeps the end, too: it is what distinguishes file names. */
function shortened(text: string): string {
  if (columns(text) <= MAX_COLUMNS) return text;
  // Here, as it takes milliseconds to make, which nobody else is to wait for.
  const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
  const characters = Array.from(graphemes.segment(text), ({ segment }) => segment);
  const head: string[] = [];
  const tail: string[] = [];
  while (columns(head.join('') + tail.join('')) < MAX_COLUMNS - 3) {
    head.push(characters.shift() ?? '');
    tail.unshift(characters.pop() ?? '');
  }
  return `${head.join('')}…${tail.join('')}`;
}

function sizeOf(lines: readonly string[], { size, line }: Font, padding: number): Size {
  const widest = Math.max(...lines.map(columns));
  return {
    width: Math.ceil(widest * size * COLUMN) + 2 * padding,
    height: lines.length * line + 2 * padding,
  };
}

/** Tenths are finer than any screen. */
function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function rect({ x, y, width, height }: Rectangle, attributes: string): string {
  const [left, top, w, h] = [x, y, width, height].map(round);
  return `<rect x="${left}" y="${top}" width="${w}" height="${h}" ${attributes}/>`;
}

function textLines(lines: readonly string[], area: Rectangle, font: Font, padding: number): string {
  const x = round(area.x + area.width / 2);
  return lines
    .map((line, index) => {
      // The letters' foot stands at y: about a quarter of a line above its lower end.
      const y = round(area.y + padding + (index + 0.77) * font.line);
      const style = index === 0 ? ' class="title"' : '';
      return `<text x="${x}" y="${y}"${style} font-size="${font.size}" text-anchor="middle">${escaped(line)}</text>`;
    })
    .join('\n    ');
}

/** What a box or an arrow says. */
interface Words {
  readonly all: readonly string[];
  readonly short: readonly string[];
}

function wordsOf({ title, details }: DrawnBox | DrawnArrow): Words {
  const all = [title, ...details];
  return { all, short: all.map(shortened) };
}

function group(words: Words, ...parts: readonly string[]): string {
  const title = `<title>${escaped(words.all.join('\n'))}</title>`;
  return `  <g>\n    ${[title, ...parts].join('\n    ')}\n  </g>\n`;
}

function drawBox({ isNode }: DrawnBox, words: Words, area: Rectangle): string {
  const shape = isNode ? 'class="box node" rx="2"' : 'class="box user" rx="10"';
  return group(words, rect(area, shape), textLines(words.short, area, BOX_FONT, PADDING));
}

/** Bends only between layers: every second stretch is a straight line through one. */
function path(points: readonly Point[]): string {
  const [start, ...rest] = points as [Point, ...Point[]];
  const steps = [`M ${round(start.x)} ${round(start.y)}`];
  let last = start;
  for (const point of rest) {
    const middle = round((last.y + point.y) / 2);
    const end = `${round(point.x)} ${round(point.y)}`;
    if (last.x === point.x) steps.push(`L ${end}`);
    else steps.push(`C ${round(last.x)} ${middle} ${round(point.x)} ${middle} ${end}`);
    last = point;
  }
  return steps.join(' ');
}

function drawArrow(words: Words, { points, label }: PlacedArrow): string {
  return group(
    words,
    `<path class="arrow" marker-end="url(#tip)" d="${path(points)}"/>`,
    rect(label, 'class="paper"'),
    textLines(words.short, label, ARROW_FONT, 2),
  );
}

export function drawSvg({ boxes, arrows }: Drawing): string {
  const boxWords = boxes.map(wordsOf);
  const arrowWords = arrows.map(wordsOf);
  const none: Words = { all: [], short: [] };
  const layout = layOut(
    boxes.map(({ key }, index) => ({
      key,
      ...sizeOf((boxWords[index] ?? none).short, BOX_FONT, PADDING),
    })),
    arrows.map(({ from, to }, index) => ({
      from,
      to,
      ...sizeOf((arrowWords[index] ?? none).short, ARROW_FONT, 2),
    })),
  );
  const width = Math.ceil(layout.width);
  const height = Math.ceil(layout.height);
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size}>\n`,
    `  <style>${STYLE}</style>\n`,
    '  <defs>\n',
    '    <marker id="tip" markerWidth="9" markerHeight="8" refX="8" refY="4" orient="auto">\n',
    '      <path class="tip" d="M 0 0 L 9 4 L 0 8 z"/>\n',
    '    </marker>\n',
    '  </defs>\n',
    `  ${rect({ x: 0, y: 0, width, height }, 'class="paper"')}\n`,
    ...arrows.map((_, index) =>
      drawArrow(arrowWords[index] ?? none, layout.arrows[index] as PlacedArrow),
    ),
    ...boxes.map((box, index) =>
      drawBox(box, boxWords[index] ?? none, layout.boxes[index] as Rectangle),
    ),
    '</svg>\n',
  ].join('');
}
