// What a request costs by counting: a program runs with some requests and with twice as many, and
// what it did more is divided by how many more they were. Starting, warming up and ending cancel out.

/** `count(requests)` gives counts by name; the result has those per request. */
export async function marginal(requests, count) {
  const once = await count(requests);
  const twice = await count(2 * requests);
  const names = new Set([...Object.keys(once), ...Object.keys(twice)]);
  const perRequest = {};
  for (const name of names) {
    perRequest[name] = ((twice[name] ?? 0) - (once[name] ?? 0)) / requests;
  }
  return perRequest;
}

export const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
