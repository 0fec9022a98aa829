// Where things of a drawing stand: boxes in layers, each below everything that points to it, and the
// words of the arrows in layers of their own in between, so that nothing ever lies on anything else.
//
// An arrow that passes further layers has an invisible place in each of them and goes through there.

import { rankBoxes } from './ranks.js';

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface BoxToPlace extends Size {
  readonly key: string;
}

/** The size is that of its words. */
export interface ArrowToPlace extends Size {
  readonly from: string;
  readonly to: string;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** `x` and `y` are those of its upper left corner. */
export interface Rectangle extends Size, Point {}

export interface PlacedArrow {
  readonly points: readonly Point[];
  readonly label: Rectangle;
}

export interface Layout extends Size {
  /** In the order of what was to be placed. */
  readonly boxes: readonly Rectangle[];
  readonly arrows: readonly PlacedArrow[];
}

/** Something that takes up room in a layer. */
interface Item extends Size {
  /** Of its middle. */
  x: number;
  readonly above: Item[];
  readonly below: Item[];
}

const MARGIN = 16;
const GAP_X = 24;
const GAP_Y = 18;
/** More change nothing that one could see. */
const SWEEPS = 12;

function item(size: Size): Item {
  return { width: size.width, height: size.height, x: 0, above: [], below: [] };
}

function connect(upper: Item, lower: Item): void {
  upper.below.push(lower);
  lower.above.push(upper);
}

class Layers {
  readonly #layers: Item[][] = [];

  add(layer: number, added: Item): Item {
    while (this.#layers.length <= layer) this.#layers.push([]);
    this.#layers[layer]?.push(added);
    return added;
  }

  /** The chain of items from one box to the other; none for an arrow that does not go down. */
  addWay(arrow: Size, from: Item, start: number, to: Item, end: number): Item[] {
    if (end <= start) return [];
    const way: Item[] = [];
    let upper = from;
    for (let layer = start + 1; layer < end; layer += 1) {
      const size = layer === start + 1 ? arrow : { width: 0, height: 0 };
      const lower = this.add(layer, item(size));
      connect(upper, lower);
      way.push(lower);
      upper = lower;
    }
    connect(upper, to);
    return way;
  }

  arrange(): void {
    for (const layer of this.#layers) pack(layer);
    for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
      // Order first: positions are worth little while lines cross that need not.
      const reorders = sweep < SWEEPS / 2;
      for (const layer of this.#layers) settle(layer, 'above', reorders);
      for (const layer of this.#layers.toReversed()) settle(layer, 'below', reorders);
    }
  }

  /** The upper and the lower end of every layer. */
  rows(): Map<Item, { top: number; bottom: number }> {
    const rows = new Map<Item, { top: number; bottom: number }>();
    let top = MARGIN;
    for (const layer of this.#layers) {
      const bottom = top + Math.max(0, ...layer.map(({ height }) => height));
      for (const member of layer) rows.set(member, { top, bottom });
      top = bottom + GAP_Y;
    }
    return rows;
  }

  /** Moves everything so that the leftmost thing stands at the margin; returns the width. */
  alignLeft(): number {
    const items = this.#layers.flat();
    const left = items.reduce((least, { x, width }) => Math.min(least, x - width / 2), Infinity);
    for (const member of items) member.x += MARGIN - left;
    return items.reduce((most, { x, width }) => Math.max(most, x + width / 2), 0) + MARGIN;
  }
}

function distance(left: Item, right: Item): number {
  return (left.width + right.width) / 2 + GAP_X;
}

/** Side by side, in the order of the layer. */
function pack(layer: readonly Item[]): void {
  for (const [index, member] of layer.entries()) {
    const before = layer[index - 1];
    member.x = before === undefined ? member.width / 2 : before.x + distance(before, member);
  }
}

/** Brings every item of a layer as near to the middle of its neighbours as the others let it. */
function settle(layer: Item[], side: 'above' | 'below', reorders: boolean): void {
  const wishes = new Map(
    layer.map((member) => {
      const neighbours = member[side];
      const sum = neighbours.reduce((total, { x }) => total + x, 0);
      return [member, neighbours.length === 0 ? member.x : sum / neighbours.length];
    }),
  );
  const wish = (member: Item): number => wishes.get(member) ?? 0;
  if (reorders) layer.sort((a, b) => wish(a) - wish(b));
  const fromLeft: number[] = [];
  for (const [index, member] of layer.entries()) {
    const before = layer[index - 1];
    const least = before === undefined ? -Infinity : (fromLeft[index - 1] ?? 0);
    const room = before === undefined ? 0 : distance(before, member);
    fromLeft.push(Math.max(wish(member), least + room));
  }
  // One pass pushes everything to the right, the other one to the left: between them is the middle,
  // and where two solutions keep their distances, the mean of them does, too.
  let most = Infinity;
  for (const [index, member] of [...layer.entries()].reverse()) {
    const after = layer[index + 1];
    const room = after === undefined ? 0 : distance(member, after);
    most = Math.min(wish(member), most - room);
    member.x = (most + (fromLeft[index] ?? most)) / 2;
  }
}

function rectangle({ x, width, height }: Item, top: number): Rectangle {
  return { x: x - width / 2, y: top, width, height };
}

/** Words of an arrow that has no way of its own go to its middle. */
function middleLabel(arrow: Size, [start, end]: readonly [Point, Point]): Rectangle {
  const { width, height } = arrow;
  return { x: (start.x + end.x - width) / 2, y: (start.y + end.y - height) / 2, width, height };
}

export function layOut(boxes: readonly BoxToPlace[], arrows: readonly ArrowToPlace[]): Layout {
  const layers = new Layers();
  const ranks = rankBoxes(
    boxes.map(({ key }) => key),
    arrows,
  );
  const layerOf = (key: string): number => 2 * (ranks.get(key) ?? 0);
  const items = new Map(boxes.map((box) => [box.key, layers.add(layerOf(box.key), item(box))]));
  const itemOf = (key: string): Item => items.get(key) as Item;
  const ways = arrows.map((arrow) => {
    const { from, to } = arrow;
    return layers.addWay(arrow, itemOf(from), layerOf(from), itemOf(to), layerOf(to));
  });
  layers.arrange();
  const width = layers.alignLeft();
  const rows = layers.rows();
  const row = (member: Item) => rows.get(member) ?? { top: 0, bottom: 0 };

  const placeArrow = (arrow: ArrowToPlace, index: number): PlacedArrow => {
    const [from, to] = [itemOf(arrow.from), itemOf(arrow.to)];
    const start = { x: from.x, y: row(from).top + from.height };
    const end = { x: to.x, y: row(to).top };
    const way = ways[index] ?? [];
    // Straight down through every layer, so that lines bend only where no boxes are.
    const between = way.flatMap((member) => {
      const { top, bottom } = row(member);
      return [
        { x: member.x, y: top },
        { x: member.x, y: bottom },
      ];
    });
    const first = way[0];
    const label = first ? rectangle(first, row(first).top) : middleLabel(arrow, [start, end]);
    return { points: [start, ...between, end], label };
  };
  const placed = boxes.map(({ key }) => rectangle(itemOf(key), row(itemOf(key)).top));
  const bottoms = [...rows.values()].map(({ bottom }) => bottom);
  return {
    boxes: placed,
    arrows: arrows.map(placeArrow),
    width: boxes.length === 0 ? 2 * MARGIN : width,
    height: bottoms.reduce((most, bottom) => Math.max(most, bottom), MARGIN) + MARGIN,
  };
}
