// Requests that are wrong in ways that nobody thinks of.

/** Values of every kind. */
const VALUES = [null, true, 0, -1, 1.5, 'x', '', [], {}, [1], { a: 1 }, 9007199254740991];

/** The request with one argument of another type, one too many or one too few; or another name. */
export function spoiled(choose, request) {
  const args = { ...request.arguments };
  const names = Object.keys(args);
  switch (choose.below(5)) {
    case 0:
      return { ...request, execute: `${request.execute}x` };
    case 1:
      return { ...request, arguments: { ...args, 'no-such-argument': choose.of(VALUES) } };
    case 2: {
      if (names.length === 0) return { ...request, arguments: choose.of([[], 5, 'x', null]) };
      delete args[choose.of(names)];
      return { ...request, arguments: args };
    }
    case 3:
      return { ...request, more: 1 };
    default: {
      if (names.length === 0) return { ...request, execute: choose.of([5, null, {}]) };
      const name = choose.of(names);
      const others = VALUES.filter((value) => kindOf(value) !== kindOf(args[name]));
      return { ...request, arguments: { ...args, [name]: choose.of(others) } };
    }
  }
}

function kindOf(value) {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
