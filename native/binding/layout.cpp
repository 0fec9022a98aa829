#include "binding/layout.hpp"

#include <cstddef>

#include "accounting/block-stats.hpp"
#include "aio/probe.hpp"
#include "binding/homed-context.hpp"
#include "binding/protocol.hpp"
#include "binding/values.hpp"
#include "block/flags.hpp"
#include "block/request.hpp"

namespace blk::binding {
namespace {

struct Entry {
  const char* name;
  double value;
};

template <typename Enum>
double number(Enum value) {
  return static_cast<double>(value);
}

// Positions are whole words and floats, as the assertions in protocol.hpp see to.
constexpr double words(std::size_t bytes) { return static_cast<double>(bytes) / 4; }
constexpr double floats(std::size_t bytes) { return static_cast<double>(bytes) / 8; }

}  // namespace

Napi::Object layout(Napi::Env env) {
  using block::Operation;
  const Entry entries[] = {
      {"Operation.read", number(Operation::kRead)},
      {"Operation.write", number(Operation::kWrite)},
      {"Operation.writeZeroes", number(Operation::kWriteZeroes)},
      {"Operation.discard", number(Operation::kDiscard)},
      {"Operation.flush", number(Operation::kFlush)},
      {"Operation.truncate", number(Operation::kTruncate)},
      {"Operation.ioctl", number(Operation::kIoctl)},
      {"Operation.length", number(Operation::kLength)},
      {"Operation.abort", number(Operation::kAbort)},
      {"Operation.copyRange", number(Operation::kCopyRange)},
      {"Operation.saveVmstate", number(Operation::kSaveVmstate)},
      {"Operation.loadVmstate", number(Operation::kLoadVmstate)},
      {"Operation.probeBlockSizes", number(Operation::kProbeBlockSizes)},
      {"Operation.probeGeometry", number(Operation::kProbeGeometry)},
      {"Operation.sgIo", number(Operation::kSgIo)},
      {"Operation.sectors", number(Operation::kSectors)},
      {"Operation.vector", kOperationVector},
      {"AccountType.none", number(accounting::AccountType::kNone)},
      {"AccountType.read", number(accounting::AccountType::kRead)},
      {"AccountType.write", number(accounting::AccountType::kWrite)},
      {"AccountType.flush", number(accounting::AccountType::kFlush)},
      {"AccountType.unmap", number(accounting::AccountType::kUnmap)},
      {"AccountEvent.done", number(AccountEvent::kDone)},
      {"AccountEvent.failed", number(AccountEvent::kFailed)},
      {"AccountEvent.invalid", number(AccountEvent::kInvalid)},
      {"AccountEvent.merged", number(AccountEvent::kMerged)},
      {"Operation.blockStatus", number(Operation::kBlockStatus)},
      {"Operation.makeZero", number(Operation::kMakeZero)},
      {"Operation.makeEmpty", number(Operation::kMakeEmpty)},
      {"Operation.check", number(Operation::kCheck)},
      {"StatusQuery.wantZero", block::kQueryWantZero},
      {"StatusQuery.above", block::kQueryAbove},
      {"StatusQuery.includeBase", block::kQueryIncludeBase},
      {"StatusFlag.data", block::kStatusData},
      {"StatusFlag.zero", block::kStatusZero},
      {"StatusFlag.offsetValid", block::kStatusOffsetValid},
      {"StatusFlag.allocated", block::kStatusAllocated},
      {"StatusFlag.endOfFile", block::kStatusEndOfFile},
      {"StatusMemory.bytes", sizeof(block::StatusMemory)},
      {"StatusMemory.base", floats(offsetof(block::StatusMemory, base))},
      {"StatusMemory.flags", floats(offsetof(block::StatusMemory, flags))},
      {"StatusMemory.offset", floats(offsetof(block::StatusMemory, offset))},
      {"StatusMemory.node", floats(offsetof(block::StatusMemory, node))},
      {"StatusMemory.depth", floats(offsetof(block::StatusMemory, depth))},
      {"RequestFlag.fua", block::kRequestFua},
      {"RequestFlag.mayUnmap", block::kRequestMayUnmap},
      {"RequestFlag.noFallback", block::kRequestNoFallback},
      {"RequestFlag.compressed", block::kRequestCompressed},
      {"RequestFlag.serialising", block::kRequestSerialising},
      {"RequestFlag.noWait", block::kRequestNoWait},
      {"RequestFlag.writeUnchanged", block::kRequestWriteUnchanged},
      {"RequestFlag.zeroWrite", block::kRequestZeroWrite},
      {"RequestFlag.unthrottled", block::kRequestUnthrottled},
      {"Permission.consistentRead", block::kPermConsistentRead},
      {"Permission.write", block::kPermWrite},
      {"Permission.writeUnchanged", block::kPermWriteUnchanged},
      {"Permission.resize", block::kPermResize},
      {"Permission.all", block::kPermAll},
      {"ChildRole.data", block::kChildData},
      {"ChildRole.metadata", block::kChildMetadata},
      {"ChildRole.filtered", block::kChildFiltered},
      {"ChildRole.cow", block::kChildCow},
      {"ChildRole.primary", block::kChildPrimary},
      {"BackendFlag.trayOpen", number(FlagId::kTrayOpen)},
      {"BackendFlag.writeCache", number(FlagId::kWriteCache)},
      {"BackendFlag.allowWriteBeyondEnd", number(FlagId::kAllowWriteBeyondEnd)},
      {"BackendFlag.disableQueueing", number(FlagId::kDisableQueueing)},
      {"ContextHome.node", number(HomeKind::kNode)},
      {"ContextHome.ioThread", number(HomeKind::kIoThread)},
      {"ContextHome.virtual", number(HomeKind::kVirtual)},
      {"EngineChoice.auto", number(aio::EngineChoice::kAuto)},
      {"EngineChoice.io_uring", number(aio::EngineChoice::kIoUring)},
      {"EngineChoice.threads", number(aio::EngineChoice::kThreads)},
      {"Descriptor.bytes", kDescriptorBytes},
      {"Descriptor.words", words(kDescriptorBytes)},
      {"Descriptor.floats", floats(kDescriptorBytes)},
      {"Descriptor.operation", words(offsetof(Descriptor, operation_and_flags))},
      {"Descriptor.slot", words(offsetof(Descriptor, slot))},
      {"Descriptor.backend", floats(offsetof(Descriptor, backend))},
      {"Descriptor.offset", floats(offsetof(Descriptor, offset))},
      {"Descriptor.length", floats(offsetof(Descriptor, length))},
      {"Descriptor.region", words(offsetof(Descriptor, region))},
      {"Descriptor.buffers", words(offsetof(Descriptor, buffers))},
      {"Descriptor.regionOffset", floats(offsetof(Descriptor, region_offset))},
      {"Descriptor.argument", floats(offsetof(Descriptor, argument))},
      {"Descriptor.generation", words(offsetof(Descriptor, generation))},
      {"Descriptor.account", words(offsetof(Descriptor, account))},
      {"SUBMISSION_CAPACITY", kSubmissionCapacity},
      {"Completion.bytes", kCompletionBytes},
      {"Completion.words", words(kCompletionBytes)},
      {"Completion.floats", floats(kCompletionBytes)},
      {"Completion.result", floats(offsetof(CompletionEntry, result))},
      {"Completion.slot", words(offsetof(CompletionEntry, slot))},
      {"Completion.node", words(offsetof(CompletionEntry, node))},
      {"COMPLETION_CAPACITY", kCompletionCapacity},
      {"CompletionEvent.idle", kEventIdle},
      {"CompletionEvent.resized", kEventResized},
      {"CompletionEvent.warning", kEventWarning},
      {"CompletionEvent.writeThreshold", kEventWriteThreshold},
      {"CompletionEvent.nbdQuestion", kEventNbdQuestion},
      {"Header.bytes", kHeaderBytes},
      {"Header.submitted", words(offsetof(Header, submitted))},
      {"Header.syncNode", words(offsetof(Header, sync_node))},
  };
  ObjectWriter table(env);
  for (const Entry& entry : entries) {
    table.set(entry.name, entry.value);
  }
  return table.object();
}

}  // namespace blk::binding
