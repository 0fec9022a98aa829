// What a client sends: a value to a command and its arguments (QMP specification, "Issuing
// Commands").

import type { Command, Monitor } from './command.js';
import { errorReply, QmpError, type QmpErrorReply } from './errors.js';
import type { JsonValue } from './json/parser.js';
import { check, isObject } from './schema/check.js';

export type Reply =
  | { readonly return: unknown; readonly id?: JsonValue }
  | { readonly error: QmpErrorReply; readonly id?: JsonValue };

export interface Request {
  readonly name: string;
  readonly args: { readonly [name: string]: JsonValue };
}

/** The `id` of a request, which its reply repeats; also of one that is wrong. */
export function idOf(value: JsonValue): { readonly id?: JsonValue } {
  if (!isObject(value) || value.id === undefined) return {};
  return { id: value.id as JsonValue };
}

/** @throws QmpError for everything that is no request. */
export function requestOf(value: JsonValue): Request {
  if (!isObject(value)) throw new QmpError('a request must be a JSON object');
  for (const name of Object.keys(value)) {
    if (['execute', 'arguments', 'id'].includes(name)) continue;
    throw new QmpError(`the member '${name}' of the request is unexpected`);
  }
  const { execute, arguments: args = {} } = value;
  if (execute === undefined) throw new QmpError("the request has no member 'execute'");
  if (typeof execute !== 'string') {
    throw new QmpError("the member 'execute' of the request must be a string");
  }
  if (!isObject(args)) {
    throw new QmpError("the member 'arguments' of the request must be an object");
  }
  return { name: execute, args: args as Request['args'] };
}

/** Runs it; an error of any kind becomes a reply. */
export async function execute(
  command: Command,
  args: Request['args'],
  monitor: Monitor,
): Promise<Reply> {
  try {
    const given = check(command.arguments.schema, args, { form: 'json', path: '' });
    const result = await command.run(given, monitor);
    if (command.returns === undefined) return { return: {} };
    return { return: checkedResult(command, result) };
  } catch (error) {
    return { error: errorReply(error, command.classes) };
  }
}

/** What clients are told in query-qmp-schema is what they get. */
function checkedResult(command: Command, result: unknown): unknown {
  if (command.returns === undefined) return {};
  try {
    return check(command.returns.schema, result, { form: 'json', path: 'return' });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new QmpError(`the reply of ${command.name} is not as its schema says: ${text}`);
  }
}
