// Drawings of a dump. Layout is checked by its rules: nothing lies on anything else, arrows go down.
import { execFileSync } from 'node:child_process';
import { layOut, type Rectangle } from '../../lib/graph/draw/layout.js';
import { rankBoxes } from '../../lib/graph/draw/ranks.js';
import { drawGraph, type GraphDump, type PermissionName } from '../../lib/index.js';
import { labelLines, parseDot } from '../support/dot-parser.js';
import { describeWith, foreignEnv } from '../support/tools.js';
import { parseXml, type XmlElement } from '../support/xml-parser.js';

const ALL: PermissionName[] = ['consistent-read', 'write', 'write-unchanged', 'resize'];

function node(id: number, name: string, options = {}): GraphDump['nodes'][number] {
  const common = { context: 'main', 'read-only': false, quiesceCount: 0 };
  return { id, name, driver: 'raw', ...common, options };
}

function edge(parent: number, name: string, child: string): GraphDump['edges'][number] {
  const from = { type: 'node', id: parent, name: `n${parent}` } as const;
  return {
    parent: from,
    name,
    role: ['data'],
    child,
    permissions: ['consistent-read'],
    shared: ALL,
  };
}

/** n1 over n2 and n3, both over n4; a backend on n1, another one on n4, one without a medium. */
const diamond: GraphDump = {
  nodes: [node(1, 'n1'), node(2, 'n2'), node(3, 'n3'), { ...node(4, 'n4'), inactive: true }],
  backends: [
    {
      id: 1,
      name: 'drive0',
      context: 'main',
      node: 'n1',
      permissions: ['consistent-read', 'write'],
      shared: ALL,
      quiesceCount: 1,
    },
    { id: 2, name: '', context: 'io', permissions: [], shared: [], quiesceCount: 0 },
  ],
  edges: [
    { ...edge(1, 'root', 'n1'), parent: { type: 'block-backend', id: 1, name: 'drive0' } },
    { ...edge(0, 'target', 'n4'), parent: { type: 'job', name: 'job0' }, role: [], shared: [] },
    { ...edge(1, 'backing', 'n3'), frozen: true },
    edge(1, 'file', 'n2'),
    edge(2, 'file', 'n4'),
    { ...edge(3, 'file', 'n4'), shared: ['consistent-read', 'write', 'write-unchanged'] },
  ],
};

/** A terminal's escape sequence, other writing directions, markup of all three formats, halves. */
const EVIL = '\u001b[31m\n\r\t\0\u202e\u2028"\\N\\"\'<b>&lt;]]>&#65; \ud800 \ufffe{|}';
const ESCAPED =
  '\\u{1b}[31m\\u{a}\\u{d}\\u{9}\\u{0}\\u{202e}\\u{2028}"\\N\\"\'<b>&lt;]]>&#65; \\u{d800} \\u{fffe}{|}';

const evil: GraphDump = {
  nodes: [{ ...node(1, EVIL, { filename: EVIL }), driver: EVIL, context: EVIL, owners: [EVIL] }],
  backends: [],
  edges: [{ ...edge(9, EVIL, EVIL), parent: { type: 'other', name: EVIL } }],
};

const empty: GraphDump = { nodes: [], backends: [], edges: [] };

function find(element: XmlElement, name: string): XmlElement[] {
  const own = element.name === name ? [element] : [];
  return [...own, ...element.children.flatMap((child) => find(child, name))];
}

describe('drawings of the graph', () => {
  test('GRAPH-34: as a tree, in which a shared node is described once', () => {
    expect(drawGraph(diamond, 'text')).toBe(
      [
        'block-backend drive0; context main, quiesce count 1; asked for consistent-read, write; asked to share all',
        '└─ root (data); holds consistent-read; shares all',
        '   n1; raw, read-write; context main, quiesce count 0',
        '   ├─ backing (data, frozen); holds consistent-read; shares all',
        '   │  n3; raw, read-write; context main, quiesce count 0',
        '   │  └─ file (data); holds consistent-read; shares all but resize',
        '   │     n4; raw, read-write, inactive; context main, quiesce count 0',
        '   └─ file (data); holds consistent-read; shares all',
        '      n2; raw, read-write; context main, quiesce count 0',
        '      └─ file (data); holds consistent-read; shares all',
        '         n4 (see above)',
        'block-backend #2; context io, quiesce count 0; asked for nothing; asked to share nothing',
        'job job0',
        '└─ target; holds consistent-read; shares nothing',
        '   n4 (see above)',
        '',
      ].join('\n'),
    );
    expect(drawGraph(empty, 'text')).toBe('');
  });

  test('GRAPH-34: for Graphviz, with every box, arrow and word', () => {
    const { nodes, arrows } = parseDot(drawGraph(diamond, 'dot'));
    const titles = new Map(
      [...nodes].map(([id, { label = '' }]) => [id, labelLines(label)[0] as string]),
    );
    expect([...titles.values()].sort()).toEqual(
      ['block-backend #2', 'block-backend drive0', 'job job0', 'n1', 'n2', 'n3', 'n4'].sort(),
    );
    const ends = arrows.map(({ from, to }) => `${titles.get(from)} -> ${titles.get(to)}`);
    expect(ends.sort()).toEqual([
      'block-backend drive0 -> n1',
      'job job0 -> n4',
      'n1 -> n2',
      'n1 -> n3',
      'n2 -> n4',
      'n3 -> n4',
    ]);
    expect(arrows.map(({ attributes: { label = '' } }) => labelLines(label))).toContainEqual([
      'file (data)',
      'holds consistent-read',
      'shares all but resize',
    ]);
    expect(parseDot(drawGraph(empty, 'dot')).nodes.size).toBe(0);
  });

  test('GRAPH-34: as a picture, with every box, arrow and word', () => {
    const svg = parseXml(drawGraph(diamond, 'svg'));
    expect(svg.attributes).toMatchObject({ xmlns: 'http://www.w3.org/2000/svg' });
    const titles = find(svg, 'title').map(({ text }) => text.split('\n')[0]);
    expect(titles).toHaveLength(6 + 7);
    expect(titles).toEqual(
      expect.arrayContaining(['n1', 'n4', 'job job0', 'backing (data, frozen)']),
    );
    const words = find(svg, 'text').map(({ text }) => text);
    expect(words).toEqual(expect.arrayContaining(['n2', 'asked to share nothing', 'shares all']));
    expect(find(svg, 'path').filter(({ attributes }) => attributes.class === 'arrow')).toHaveLength(
      6,
    );
    expect(parseXml(drawGraph(empty, 'svg')).name).toBe('svg');
  });

  test('GRAPH-34: names and options cannot break any format', () => {
    const text = drawGraph(evil, 'text');
    expect(text.split('\n')).toHaveLength(4);
    expect(text).toContain(`filename=${ESCAPED}`);
    const { nodes, arrows } = parseDot(drawGraph(evil, 'dot'));
    const labels = [...nodes.values()].map(({ label = '' }) => labelLines(label));
    expect(labels.map(([title]) => title)).toEqual([ESCAPED, ESCAPED]);
    expect(arrows).toHaveLength(1);
    const titles = find(parseXml(drawGraph(evil, 'svg')), 'title');
    expect(titles.map(({ text: words }) => words.split('\n')[0])).toEqual([
      `${ESCAPED} (data)`,
      ESCAPED,
      ESCAPED,
    ]);
  });

  test('GRAPH-34: long lines of pictures are cut in the middle, and whole as a tooltip', () => {
    const filename = `/${'directory/'.repeat(20)}磁盘.img`;
    const svg = parseXml(drawGraph({ ...empty, nodes: [node(1, 'long', { filename })] }, 'svg'));
    const lines = find(svg, 'text').map(({ text }) => text);
    expect(lines.at(-1)).toMatch(/^filename=\/dir.*….*磁盘\.img$/);
    expect(lines.at(-1)?.length).toBeLessThanOrEqual(48);
    expect(find(svg, 'title')[0]?.text).toContain(filename);
  });

  test('GRAPH-34: a circle, which no graph of ours has, is drawn all the same', () => {
    const circle: GraphDump = {
      ...empty,
      nodes: [node(1, 'n1'), node(2, 'n2')],
      edges: [edge(1, 'file', 'n2'), edge(2, 'file', 'n1'), edge(2, 'self', 'n2')],
    };
    expect(drawGraph(circle, 'text')).toContain('n1 (see above)');
    expect(parseDot(drawGraph(circle, 'dot')).arrows).toHaveLength(3);
    expect(find(parseXml(drawGraph(circle, 'svg')), 'title')).toHaveLength(5);
  });

  test('GRAPH-34: another format is refused', () => {
    expect(() => drawGraph(empty, 'png' as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
    );
    expect(() => drawGraph(empty, 'toString' as never)).toThrow(TypeError);
  });
});

/** Same seed, same numbers. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  const [dx, dy] = [Math.max(a.x, b.x), Math.max(a.y, b.y)];
  return (
    Math.min(a.x + a.width, b.x + b.width) - dx > 0.01 &&
    Math.min(a.y + a.height, b.y + b.height) - dy > 0.01
  );
}

describe('layout', () => {
  test('layout: a box is below all that point to it, and no higher than it must be', () => {
    const arrows = ['ab', 'bc', 'ac', 'xc'].map(([from = '', to = '']) => ({ from, to }));
    const ranks = rankBoxes(['a', 'b', 'c', 'x', 'y'], arrows);
    expect(Object.fromEntries(ranks)).toEqual({ a: 0, b: 1, c: 2, x: 1, y: 0 });
  });

  test('layout: in random graphs nothing lies on anything else, and arrows go down', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const below = random(seed);
      const size = () => ({ width: 10 + below(200), height: 10 + below(60) });
      const boxes = Array.from({ length: 1 + below(14) }, (_, index) => ({
        key: `${index}`,
        ...size(),
      }));
      const arrows = Array.from({ length: boxes.length < 2 ? 0 : below(24) }, () => {
        const from = below(boxes.length - 1);
        const to = from + 1 + below(boxes.length - from - 1);
        return { from: `${from}`, to: `${to}`, ...size() };
      });
      const layout = layOut(boxes, arrows);
      const placed = [...layout.boxes, ...layout.arrows.map(({ label }) => label)];
      for (const [index, one] of placed.entries()) {
        const others = placed.slice(index + 1).filter((other) => overlap(one, other));
        expect({ seed, others }).toEqual({ seed, others: [] });
        expect(one.x).toBeGreaterThan(0);
        expect(one.y).toBeGreaterThan(0);
        expect(one.x + one.width).toBeLessThan(layout.width);
        expect(one.y + one.height).toBeLessThan(layout.height);
      }
      for (const [index, { points }] of layout.arrows.entries()) {
        const arrow = arrows[index];
        const source = layout.boxes[Number(arrow?.from)];
        const target = layout.boxes[Number(arrow?.to)];
        expect(points[0]?.y).toBeCloseTo((source?.y ?? 0) + (source?.height ?? 0), 5);
        expect(points.at(-1)?.y).toBeCloseTo(target?.y ?? 0, 5);
        const heights = points.map(({ y }) => y);
        expect(heights).toEqual([...heights].sort((a, b) => a - b));
      }
    }
  });

  test('layout: the straight stretches of arrows cross no box', () => {
    const { boxes, arrows } = layOut(
      ['a', 'b', 'c'].map((key) => ({ key, width: 100, height: 40 })),
      [
        ['a', 'b'],
        ['b', 'c'],
        ['a', 'c'],
      ].map(([from = '', to = '']) => ({ from, to, width: 60, height: 20 })),
    );
    const past = arrows[2]?.points ?? [];
    const middle = boxes[1] as Rectangle;
    const beside = past.filter(({ y }) => y >= middle.y && y <= middle.y + middle.height);
    expect(beside.length).toBeGreaterThan(0);
    for (const { x } of beside) {
      expect(x < middle.x || x > middle.x + middle.width).toBe(true);
    }
  });
});

describeWith(['dot'], 'drawings of the graph, by Graphviz', () => {
  test.each([
    ['a diamond', diamond],
    ['evil names', evil],
    ['nothing', empty],
  ])('GRAPH-34: it understands the drawing of %s', (_, dump) => {
    const input = drawGraph(dump, 'dot');
    const svg = execFileSync('dot', ['-Tsvg'], { input, encoding: 'utf8', env: foreignEnv() });
    expect(svg).toContain('</svg>');
  });
});
