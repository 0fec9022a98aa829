// Refuses an addon that was built from another protocol.

import * as protocol from './protocol.js';

function expectedLayout(): Map<string, number> {
  const expected = new Map<string, number>();
  for (const [name, value] of Object.entries(protocol)) {
    if (typeof value === 'number') {
      expected.set(name, value);
    } else {
      for (const [key, number] of Object.entries(value)) expected.set(`${name}.${key}`, number);
    }
  }
  return expected;
}

/** Throws unless native/ and lib/ agree on every number of protocol.ts. */
export function checkLayout(layout: Readonly<Record<string, number>>): void {
  const expected = expectedLayout();
  const wrong = [...expected].filter(([name, value]) => layout[name] !== value);
  const [first] = wrong;
  if (first === undefined) return;
  const [name, value] = first;
  throw new Error(
    `block-backend: the native addon does not fit this version of the package ` +
      `(${name} is ${layout[name] ?? 'missing'} there and ${value} here); build it again`,
  );
}
