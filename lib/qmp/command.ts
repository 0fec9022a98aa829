// Commands: a name, types, what it says in the documentation, and what it does.

import type { QmpErrorClass } from './errors.js';
import { type Infer, type Members, type ObjectOf, object, type Type } from './schema/type.js';

/** What commands may ask of the monitor that they came through. */
export interface Monitor {
  readonly commands: ReadonlyMap<string, Command>;
  /** Ends the program, after the reply was sent. */
  quit(): void;
}

/** A command whose types are no longer known to the compiler. */
export interface Command {
  readonly name: string;
  /** For the documentation: one paragraph. */
  readonly doc: string;
  readonly arguments: Type<unknown>;
  /** undefined: the reply is an empty object. */
  readonly returns: Type<unknown> | undefined;
  /** Classes of errors other than GenericError, by the code of a BlockError. */
  readonly classes: { readonly [code: string]: QmpErrorClass };
  run(args: unknown, monitor: Monitor): unknown;
}

/** QEMU gives this class where it looks for a drive by name or by the id of its device. */
export const DEVICE_NOT_FOUND = { ENODEV: 'DeviceNotFound' } as const;

interface Definition<A, R> {
  readonly doc: string;
  readonly returns?: Type<R>;
  readonly classes?: { readonly [code: string]: QmpErrorClass };
  run(args: A, monitor: Monitor): NoInfer<R> | Promise<NoInfer<R>>;
}

type Given<M extends Members | Type<unknown>> = M extends Members
  ? ObjectOf<M>
  : M extends Type<unknown>
    ? Infer<M>
    : never;

function isType(value: Members | Type<unknown>): value is Type<unknown> {
  return typeof (value as { optional?: unknown }).optional === 'boolean';
}

/**
 * A command for {@link QmpServer}, whose arguments and reply are checked.
 *
 * @param members those of its arguments, or the type of all of them.
 */
export function command<const M extends Members | Type<unknown>, R = void>(
  name: string,
  members: M,
  definition: Definition<Given<M>, R>,
): Command {
  return {
    name,
    doc: definition.doc,
    arguments: isType(members) ? members : object(`${name}-arguments`, members),
    returns: definition.returns,
    classes: definition.classes ?? {},
    run: (args, monitor) => definition.run(args as Given<M>, monitor),
  };
}
