import { type AioChoice, AioContext } from '../../aio/context.js';

export interface EngineOptions {
  readonly aio: AioChoice;
  /** On a native thread of its own instead of Node's loop. */
  readonly iothread?: boolean;
}

/** What carried out the requests, as reports show it. */
export interface EngineReport {
  readonly engine: string;
  readonly reason: string;
  readonly home: string;
}

/** Runs `body` with a context of the wanted kind, and ends the context afterwards. */
export async function withContext<T>(
  { aio, iothread }: EngineOptions,
  body: (context: AioContext) => Promise<T>,
): Promise<T> {
  if (aio === 'auto' && iothread !== true) return body(AioContext.main);
  await using context = new AioContext({ home: iothread ? 'iothread' : 'node', aio, name: 'blk' });
  return await body(context);
}

export function engineReport(context: AioContext): EngineReport {
  const { engine, reason, home } = context.info();
  return { engine, reason, home };
}
