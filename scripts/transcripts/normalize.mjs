// What of a reply or an event can be compared: without times, generated names, error texts, and what
// stands in docs/differences.md.

/** Measured, so never twice the same. */
const MEASURED = /(_total_time_ns|idle_time_ns|_latency_ns|_queue_depth)$/;
/** Left out wholly: what the host's file system makes of a file, and texts. */
const LEFT_OUT = new Set(['actual-size', 'desc', 'reason', 'timestamp', 'id']);
const GENERATED = /#block\d+/g;
const JSON_NAME = 'json:';

/** Members of a name have the order of a hash table there. */
function jsonName(text, folder) {
  const options = normalized(JSON.parse(text.slice(JSON_NAME.length)), folder);
  return `${JSON_NAME}${JSON.stringify(options)}`;
}

function comparable(name, value, folder) {
  if (MEASURED.test(name)) return 'measured';
  if (typeof value === 'string') {
    const text = value.replaceAll(folder, 'FOLDER').replace(GENERATED, '#generated');
    return text.startsWith(JSON_NAME) ? jsonName(text, folder) : text;
  }
  return normalized(value, folder);
}

/** What a line of the human monitor gave: texts of errors are left out. */
export function normalizedText(text) {
  return text.replaceAll(/^(Error: |.* not found).*$/gm, 'Error').replaceAll('\r\n', '\n');
}

/** What qemu-io prints, without how long it took, and without what QEMU sends to standard error. */
export function normalizedOutput(text) {
  return text
    .replaceAll(/^Block node is read-only\r?\n/gm, '')
    .replaceAll('\r\n', '\n')
    .replaceAll(/ ops; .*$/gm, ' ops; TIME');
}

export function normalized(value, folder) {
  if (Array.isArray(value)) return listOf(value.map((element) => comparable('', element, folder)));
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value.nodes) && Array.isArray(value.edges)) return graphOf(value, folder);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !LEFT_OUT.has(name))
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, member]) => [name, comparable(name, member, folder)]),
  );
}

const inOrder = (one, other) => (one < other ? -1 : 1);
const sorted = (names) => [...names].sort(inOrder).join('+');

/**
 * Nodes with names of their own keep their order. Whether a child was there before its parent depends
 * on its role in QEMU; here it always was.
 */
function listOf(elements) {
  const isGenerated = (element) => element?.['node-name'] === '#generated';
  const generated = elements.filter(isGenerated);
  if (generated.length === 0) return elements;
  const text = (element) => JSON.stringify(element);
  return [
    ...elements.filter((element) => !isGenerated(element)),
    ...generated.sort((one, other) => (text(one) < text(other) ? -1 : 1)),
  ];
}

/**
 * Backends, jobs and all nodes below them: a node that nobody uses holds nothing here, whatever its
 * driver, so that below it only the shape can be compared.
 */
function usersAmong(nodes, edges) {
  const users = new Set(nodes.filter(({ type }) => type !== 'block-driver').map(({ id }) => id));
  for (const user of users) {
    for (const { parent, child } of edges) if (parent === user) users.add(child);
  }
  return users;
}

/** x-debug-query-block-graph: ids are of one reply, so that edges are told by names. */
function graphOf({ nodes, edges }, folder) {
  const users = usersAmong(nodes, edges);
  const label = new Map(
    nodes.map(({ id, type, name }) => [id, `${type} ${String(comparable('', name, folder))}`]),
  );
  return {
    nodes: [...label.values()].sort(inOrder),
    edges: edges
      .map(({ parent, child, name, perm, 'shared-perm': shared }) => {
        const grants = users.has(parent) ? [sorted(perm), sorted(shared)] : [];
        return [label.get(parent), label.get(child), name, ...grants].join(' | ');
      })
      .sort(inOrder),
  };
}
