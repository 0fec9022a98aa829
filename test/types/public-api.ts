// The types of the main calls, as users see them: checked by the compiler, with the tests' project.
// An error that is expected must be there, or this does not compile.
import {
  type AbortError,
  AioContext,
  type AioContextInfo,
  BlockBackend,
  type BlockDeviceIoStatus,
  type BlockDevOps,
  type BlockdevOptions,
  type BlockError,
  type BlockErrorAction,
  type BlockNode,
  type BlockStatus,
  blockdevAdd,
  type blockdevReopen,
  blockEvents,
  type CompleteLimits,
  type createDrive,
  type DrainSection,
  type ErrorPolicy,
  type GraphDump,
  type graphDump,
  type HostFeatures,
  type hostFeatures,
  type NbdServer,
  type queryBlock,
  type RequestCallback,
  type ThrottleGroup,
  type ThrottleLimits,
  type version,
} from '../../lib/index.js';
import { holds, type Same } from './expect.js';

type Result<Call extends (...given: never[]) => unknown> = Awaited<ReturnType<Call>>;

// --- opening
holds<Same<Result<typeof BlockBackend.open>, BlockBackend>>();
holds<Same<Result<typeof createDrive>, BlockBackend>>();
holds<Same<Result<typeof blockdevAdd>, BlockNode>>();
holds<Same<Result<typeof blockdevReopen>, void>>();
holds<Same<typeof version, string>>();
holds<BlockBackend extends AsyncDisposable ? true : false>();
holds<AioContext extends AsyncDisposable ? true : false>();

const file: BlockdevOptions = { driver: 'file', filename: 'disk.img', cache: { direct: true } };
void BlockBackend.open({ driver: 'raw', file });
void BlockBackend.open('node', { context: AioContext.main, werror: 'enospc' });
// @ts-expect-error a node needs a driver
void blockdevAdd({ 'node-name': 'disk' });
// @ts-expect-error a context is no name
void BlockBackend.open('node', { context: 'main' });
// @ts-expect-error there is no such engine
void new AioContext({ aio: 'libaio' });
// @ts-expect-error there is no such policy
void new BlockBackend({ werror: 'panic' });

// --- requests
declare const blk: BlockBackend;
holds<Same<Result<typeof blk.pread>, number>>();
holds<Same<Result<typeof blk.pwritev>, number>>();
holds<Same<Result<typeof blk.flush>, number>>();
holds<Same<Result<typeof blk.getLength>, number>>();
holds<Same<ReturnType<typeof blk.preadSync>, number>>();
holds<Same<ReturnType<typeof blk.allocate>, Buffer>>();
holds<Same<Result<typeof blk.blockStatus>, BlockStatus>>();
holds<Same<Parameters<RequestCallback>[1], number>>();

void blk.pread(0n, new Uint8Array(512));
void blk.pread(0, new Float64Array(8), { signal: new AbortController().signal });
void blk.pwrite(0, blk.allocate(512), { fua: true });
void blk.pwriteZeroes(0, 4096, { mayUnmap: true });
void blk.preadv(0, [Buffer.alloc(512), new DataView(new ArrayBuffer(512))]);
void blk.aio.pread(0, Buffer.alloc(512), (error, result) => {
  holds<Same<typeof result, number>>();
  holds<typeof error extends Error | null ? true : false>();
});
// @ts-expect-error a text is no memory
void blk.pread(0, 'text');
// @ts-expect-error an ArrayBuffer is no view
void blk.pread(0, new ArrayBuffer(512));
// @ts-expect-error reads have no FUA
void blk.pread(0, Buffer.alloc(512), { fua: true });
// @ts-expect-error an offset is a number
void blk.pwrite('0', Buffer.alloc(512));

// --- drained sections, errors, limits
holds<Same<Result<typeof blk.drained>, DrainSection>>();
holds<Same<typeof blk.iostatus, BlockDeviceIoStatus>>();
holds<Same<ReturnType<typeof blk.getErrorAction>, BlockErrorAction>>();
holds<Same<Parameters<typeof blk.setOnError>[0], ErrorPolicy>>();
holds<Same<typeof blk.ioLimits, CompleteLimits | undefined>>();
holds<Same<typeof blk.throttleGroup, ThrottleGroup | undefined>>();
holds<Same<typeof blk.root, BlockNode | undefined>>();
holds<Same<BlockError['errno'], number>>();
holds<Same<BlockError['code'], string>>();
holds<AbortError extends Error ? true : false>();
holds<Same<InstanceType<typeof BlockError>['device'], string | undefined>>();

const limits: ThrottleLimits = { 'iops-total': 100, 'bps-total-max': 4096 };
blk.setIoLimits(limits);
blk.setOnError('report', ({ errno }) => (errno === 28 ? 'stop' : 'report'));
// @ts-expect-error there is no such limit
blk.setIoLimits({ 'iops-all': 100 });
// @ts-expect-error an action is one of four
blk.setOnError('report', () => 'panic');

const ops: BlockDevOps = { isTrayOpen: () => false, changeMedia: async (_load) => {} };
blk.setDeviceOps(ops);
// @ts-expect-error a tray is open or not
blk.setDeviceOps({ isTrayOpen: () => 'open' });

// --- the rest
holds<Same<ReturnType<typeof graphDump>, GraphDump>>();
holds<Same<Result<typeof queryBlock>[number]['device'], string>>();
holds<Same<ReturnType<AioContext['info']>, AioContextInfo>>();
holds<Same<ReturnType<typeof hostFeatures>, HostFeatures>>();
holds<Same<Result<typeof NbdServer.listen>, NbdServer>>();
holds<NbdServer extends AsyncDisposable ? true : false>();
// @ts-expect-error servers are made by listening
void new NbdServer();
blockEvents.on('BLOCK_IO_ERROR', ({ operation, action, reason }) => {
  holds<Same<typeof operation, 'read' | 'write'>>();
  holds<Same<typeof action, BlockErrorAction>>();
  holds<Same<typeof reason, string>>();
});
// @ts-expect-error there is no such event
blockEvents.on('BLOCK_IO_ERRORS', () => {});
