import { tmpdir } from 'node:os';
import type { AioContext } from '../../aio/context.js';
import { BlockBackend } from '../../index.js';
import { CliError, ExitCode, type ExitCodeNumber } from '../shared/cli-error.js';
import { engineReport, withContext } from '../shared/engine.js';
import { imageOptions } from '../shared/image.js';
import { Interruption } from '../shared/interruption.js';
import { freshSeed } from '../shared/random.js';
import { CorruptionList } from './corruption.js';
import { GenerationMap } from './generation-map.js';
import { checkOverNbd } from './nbd-check.js';
import { type DemoMode, type DemoOptions, demoMode } from './options.js';
import { makeLanes, type PhaseResult } from './phase.js';
import { readPhases } from './read-phase.js';
import { corruptionText, type DemoReport, demoText } from './report.js';
import { BLOCK, plannedRequests } from './request-plan.js';
import { ScratchImage } from './scratch.js';
import { planLimit, type Session } from './session.js';
import { verifyPhase } from './verify-phase.js';
import { writePhase } from './write-phase.js';

const SCRATCH_BYTES = 256 * 1024 ** 2;

/** What the parts of a run add to its report. */
type Findings = Pick<DemoReport, 'phases' | 'requests' | 'flush_seconds' | 'verified_bytes'>;

async function openDisk(
  image: string | undefined,
  mode: DemoMode,
  { size, direct }: DemoOptions,
  context: AioContext,
): Promise<BlockBackend> {
  const settings = { name: 'drive0', context, accountRequests: true };
  if (image !== undefined) {
    const readOnly = mode === 'read' || mode === 'verify';
    return BlockBackend.open(imageOptions(image, { readOnly, direct, size }), settings);
  }
  using scratch = await ScratchImage.create(size ?? SCRATCH_BYTES);
  return await BlockBackend.open(
    imageOptions(scratch.filename, { readOnly: false, direct }),
    settings,
  );
}

async function flush(blk: BlockBackend): Promise<number> {
  const start = performance.now();
  await blk.flush();
  return (performance.now() - start) / 1000;
}

async function writeAndVerify(
  session: Session,
  blank: boolean,
  verify: boolean,
  corruptions: CorruptionList,
): Promise<Findings> {
  const map = new GenerationMap(session.blocks);
  const write = await writePhase(session, map);
  session.interruption.check();
  const flushSeconds = await flush(session.blk);
  const written = { requests: write.requests, flush_seconds: flushSeconds };
  if (!verify) return { ...written, phases: { write } };
  const read = await verifyPhase(session, { map, blank, corruptions });
  return { ...written, phases: { write, verify: read }, verified_bytes: read.bytes };
}

/** Replays the plan of the run that wrote, to know what must be there. */
async function verifyLater(session: Session, corruptions: CorruptionList): Promise<Findings> {
  const map = new GenerationMap(session.blocks);
  let requests = 0;
  for (const request of plannedRequests(session.seed, session.blocks, session.limit)) {
    map.record(request);
    requests += 1;
  }
  const read = await verifyPhase(session, { map, blank: false, corruptions });
  return { requests, phases: { verify: read }, verified_bytes: read.bytes };
}

async function readTwice(session: Session, corruptions: CorruptionList): Promise<Findings> {
  const { first, second } = await readPhases(session, corruptions);
  const phases: Record<string, PhaseResult> = { read: first, reread: second };
  return { requests: first.requests, phases };
}

async function work(
  session: Session,
  mode: DemoMode,
  blank: boolean,
  corruptions: CorruptionList,
): Promise<Findings> {
  if (mode === 'read') return readTwice(session, corruptions);
  if (mode === 'verify') return verifyLater(session, corruptions);
  return writeAndVerify(session, blank, mode === 'write+verify', corruptions);
}

async function runOn(
  image: string | undefined,
  options: DemoOptions,
  context: AioContext,
): Promise<DemoReport> {
  const mode = demoMode(image, options);
  using interruption = new Interruption();
  await using blk = await openDisk(image, mode, options, context);
  const blocks = Math.floor((await blk.getLength()) / BLOCK);
  if (blocks === 0) throw new CliError(`the image is smaller than the ${BLOCK} bytes of a request`);
  const seed = options.seed ?? freshSeed();
  const { depth, runtime } = options;
  const limit = planLimit(blocks, options.requests);
  const lanes = makeLanes(blk, depth);
  const session: Session = { blk, lanes, seed, blocks, limit, runtime, interruption };
  const corruptions = new CorruptionList();
  const findings = await work(session, mode, image === undefined, corruptions);
  interruption.check();
  const sound = corruptions.count === 0 && mode === 'write+verify';
  const nbd = sound ? await checkOverNbd(blk) : undefined;
  interruption.check();
  return {
    image: image ?? `scratch image in ${tmpdir()}, removed`,
    mode,
    size: blocks * BLOCK,
    depth,
    seed,
    ...engineReport(context),
    ...findings,
    ...(nbd === undefined ? {} : { nbd }),
    errors: corruptions.count,
    corruptions: corruptions.first,
  };
}

/** `blk demo`: returns the exit code. */
export async function runDemo(
  image: string | undefined,
  options: DemoOptions,
): Promise<ExitCodeNumber> {
  // Before anything is created.
  demoMode(image, options);
  const report = await withContext(options, (context) => runOn(image, options, context));
  const text = options.json ? JSON.stringify(report, undefined, 2) : demoText(report);
  process.stdout.write(`${text}\n`);
  if (report.errors === 0) return ExitCode.ok;
  process.stderr.write(`blk: ${corruptionText(report)}\n`);
  return ExitCode.corruption;
}
