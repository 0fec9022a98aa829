// The graph in the language of Graphviz.

import type { Drawing, DrawnArrow, DrawnBox } from './drawing.js';

/**
 * A quoted string. In labels, Graphviz replaces \N and the like, and HTML's entities as well; line
 * breaks are the only escapes that we want.
 */
function quoted(lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    line.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('&', '&amp;'),
  );
  return `"${escaped.join('\\n')}"`;
}

export function drawDot({ boxes, arrows }: Drawing): string {
  const ids = new Map(boxes.map(({ key }, index) => [key, `b${index}`]));
  const box = ({ key, isNode, title, details }: DrawnBox): string => {
    const shape = isNode ? 'box' : 'box, style=rounded';
    return `  ${ids.get(key)} [shape=${shape}, label=${quoted([title, ...details])}];\n`;
  };
  const arrow = ({ from, to, title, details }: DrawnArrow): string =>
    `  ${ids.get(from)} -> ${ids.get(to)} [label=${quoted([title, ...details])}];\n`;
  return [
    'digraph "block graph" {\n',
    '  rankdir=TB;\n',
    '  node [fontname="monospace", fontsize=11];\n',
    '  edge [fontname="monospace", fontsize=9];\n',
    ...boxes.map(box),
    ...arrows.map(arrow),
    '}\n',
  ].join('');
}
