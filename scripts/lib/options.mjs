// Values of command-line options.
import { UserError } from './project.mjs';

/** @throws UserError for anything but a whole number of at least `least`. */
export function wholeNumber(name, text, least) {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new UserError(`--${name}: a whole number of at least ${least} was expected, not '${text}'`);
}
