// The graph as an indented tree.

import type { Drawing, DrawnArrow, DrawnBox } from './drawing.js';

class Tree {
  readonly #boxes: ReadonlyMap<string, DrawnBox>;
  readonly #below = new Map<string, DrawnArrow[]>();
  readonly #shown = new Set<string>();
  readonly #lines: string[] = [];

  constructor({ boxes, arrows }: Drawing) {
    this.#boxes = new Map(boxes.map((box) => [box.key, box]));
    for (const arrow of arrows) {
      const siblings = this.#below.get(arrow.from);
      if (siblings === undefined) this.#below.set(arrow.from, [arrow]);
      else siblings.push(arrow);
    }
  }

  draw(key: string): void {
    this.#box(key, '');
  }

  isShown(key: string): boolean {
    return this.#shown.has(key);
  }

  get text(): string {
    return this.#lines.map((line) => `${line}\n`).join('');
  }

  #box(key: string, indent: string): void {
    const { title, details } = this.#boxes.get(key) as DrawnBox;
    if (this.#shown.has(key)) {
      // A graph is no tree: what hangs below it is shown once.
      this.#lines.push(`${indent}${title} (see above)`);
      return;
    }
    this.#shown.add(key);
    this.#lines.push(`${indent}${[title, ...details].join('; ')}`);
    const arrows = this.#below.get(key) ?? [];
    for (const [index, arrow] of arrows.entries()) {
      const isLast = index === arrows.length - 1;
      this.#lines.push(
        `${indent}${isLast ? '└─ ' : '├─ '}${[arrow.title, ...arrow.details].join('; ')}`,
      );
      this.#box(arrow.to, `${indent}${isLast ? '   ' : '│  '}`);
    }
  }
}

export function drawText(drawing: Drawing): string {
  const tree = new Tree(drawing);
  const used = new Set(drawing.arrows.map(({ to }) => to));
  const tops = drawing.boxes.filter(({ key }) => !used.has(key));
  // All boxes again: a dump of somebody else's could contain a circle, which has no top.
  for (const { key } of [...tops, ...drawing.boxes]) if (!tree.isShown(key)) tree.draw(key);
  return tree.text;
}
