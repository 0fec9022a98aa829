#include "drivers/write-log.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "block/node.hpp"

namespace blk::drivers {

using aio::Task;
using block::Status;

namespace {

constexpr std::int64_t kMinSectorSize = WriteLogEntry::kBytes;
constexpr std::int64_t kMaxSectorSize = (1 << 24) - 1;
/// Bounds how long the first of a batch waits for the last, and the memory for the entries'
/// sectors.
constexpr std::int64_t kMaxBatchBytes = 4 << 20;
constexpr std::size_t kMaxBatchRecords = 256;

std::int64_t header_bytes(std::size_t records, std::uint32_t sector_size) {
  return static_cast<std::int64_t>(records) * sector_size;
}

}  // namespace

bool is_log_sector_size(std::int64_t bytes) {
  return bytes >= kMinSectorSize && bytes <= kMaxSectorSize &&
         std::has_single_bit(static_cast<std::uint64_t>(bytes));
}

// --- an existing log

Task<Status> WriteLog::continue_existing(std::uint64_t super_interval, block::ErrorReport& report) {
  settings_.super_interval = super_interval;
  // Of what was known before nothing need be true: another process may have begun a new log.
  end_ = 1;
  entries_ = 0;
  super_entries_ = 0;
  has_super_ = false;
  const std::int64_t length = co_await edge_.node->current_length();
  if (length < 0) {
    co_return Status(report.fail(static_cast<int>(length), "log-read-failed"));
  }
  if (length == 0) {
    co_return Status();
  }
  WriteLogSuper super;
  Status status = co_await read_super(super, report);
  if (status.ok()) {
    settings_.sector_size = super.sector_size;
    status = co_await find_end(super, report);
  }
  co_return status;
}

Task<Status> WriteLog::read_super(WriteLogSuper& super, block::ErrorReport& report) {
  std::byte buffer[WriteLogSuper::kBytes];
  Status status = co_await read_at(0, buffer, sizeof buffer);
  if (!status.ok()) {
    co_return Status(report.fail(status.error, "log-read-failed"));
  }
  super = WriteLogSuper::get(buffer);
  if (super.magic != kWriteLogMagic) {
    co_return Status(report.fail(-EINVAL, "log-no-magic"));
  }
  if (super.version != kWriteLogVersion) {
    co_return Status(
        report.fail(-EINVAL, "log-version", {{"version", std::to_string(super.version)}}));
  }
  if (!is_log_sector_size(super.sector_size)) {
    co_return Status(
        report.fail(-EINVAL, "log-sector-size", {{"size", std::to_string(super.sector_size)}}));
  }
  co_return Status();
}

Task<Status> WriteLog::find_end(const WriteLogSuper& super, block::ErrorReport& report) {
  const std::uint64_t sectors = static_cast<std::uint64_t>(block::kMaxLength) / super.sector_size;
  std::uint64_t end = 1;
  for (std::uint64_t index = 0; index < super.entries; ++index) {
    std::byte buffer[WriteLogEntry::kBytes];
    Status status =
        co_await read_at(static_cast<std::int64_t>(end * super.sector_size), buffer, sizeof buffer);
    if (!status.ok()) {
      co_return Status(report.fail(status.error, "log-read-failed"));
    }
    const WriteLogEntry entry = WriteLogEntry::get(buffer);
    // Where there is no entry there are zeroes, or data of another.
    const bool is_known =
        (entry.flags & ~kLogAllFlags) == 0 && (entry.flags != 0 || entry.sectors != 0);
    if (!is_known || entry.data_sectors() > sectors - end - 1) {
      co_return Status(report.fail(-EINVAL, "log-entry", {{"index", std::to_string(index)}}));
    }
    end += 1 + entry.data_sectors();
  }
  end_ = end;
  entries_ = super.entries;
  super_entries_ = super.entries;
  has_super_ = true;
  co_return Status();
}

Task<Status> WriteLog::read_at(std::int64_t offset, std::byte* target, std::size_t bytes) {
  const iovec all{target, bytes};
  co_return co_await edge_.node->preadv(edge_, offset, static_cast<std::int64_t>(bytes),
                                        block::IoView(&all, 1), 0);
}

// --- the queue

Task<Status> WriteLog::commit(Record& record) {
  record.is_ready = true;
  start();
  if (!record.is_done) {
    co_await record.waiting.wait();
  }
  co_return record.status;
}

void WriteLog::withdraw(Record& record) {
  queue_.remove_if([&](const Record& other) { return &other == &record; });
  start();  // those behind it may have waited for nothing else
}

void WriteLog::start() {
  if (!running_ && has_writable()) {
    run();
  }
}

// The records of a batch live in the frames of requests that wait for it, so they outlast it; the
// log outlasts them, as a node closes only when nothing is in flight.
aio::Detached WriteLog::run() {
  running_ = true;
  while (has_writable()) {
    Batch batch;
    take_batch(batch);
    Status status = co_await write_batch(batch);
    while (Record* record = batch.pop_front()) {
      record->status = status;
      record->is_done = true;
      record->waiting.wake_all(owner_.context());
    }
  }
  running_ = false;
}

void WriteLog::take_batch(Batch& batch) {
  std::int64_t bytes = 0;
  while (has_writable() && batch.size() < kMaxBatchRecords) {
    const Record& record = *queue_.front();
    bytes += static_cast<std::int64_t>(sector_size());
    if (!record.is_zeroes) {
      bytes += static_cast<std::int64_t>(record.entry.data_sectors()) * sector_size();
    }
    if (bytes > kMaxBatchBytes && !batch.empty()) {
      return;
    }
    batch.push_back(queue_.pop_front());
  }
}

// --- writing

Task<Status> WriteLog::write_batch(const Batch& batch) {
  if (!has_super_) {
    // First, so that nothing that lay on the node before can be taken for entries.
    Status status = co_await write_super();
    if (!status.ok()) {
      co_return status;
    }
  }
  const auto bytes = static_cast<std::size_t>(header_bytes(batch.size(), sector_size()));
  const auto headers =
      aio::AlignedBuffer::allocate(bytes, edge_.node->limits().optimal_memory_alignment);
  if (!headers) {
    co_return Status(-ENOMEM);
  }
  std::memset(headers.data(), 0, bytes);
  std::uint64_t end = end_;
  const std::vector<Piece> pieces = layout(batch, headers.data(), end);
  Status status = co_await write_pieces(pieces);
  if (!status.ok()) {
    co_return status;
  }
  const bool updates = wants_super(batch);
  end_ = end;
  entries_ += batch.size();
  if (updates) {
    co_return co_await finish();
  }
  if (!has_writable()) {
    // Nothing else is on its way that would bring the superblock up to date soon, and later there
    // may be no time: the node loses its permissions before it is closed, or the process ends.
    co_return co_await write_super();
  }
  co_return Status();
}

// Neighbouring bytes go into one piece, as far as one request can take them.
std::vector<WriteLog::Piece> WriteLog::layout(const Batch& batch, std::byte* headers,
                                              std::uint64_t& end) const {
  std::vector<Piece> pieces;
  const auto place = [&](const block::IoView& data, std::int64_t bytes, bool is_zeroes) {
    const bool joins = !pieces.empty() && !is_zeroes && !pieces.back().is_zeroes &&
                       pieces.back().vectors + data.count <= block::kMaxIov &&
                       pieces.back().bytes + bytes <= kMaxBatchBytes;
    if (!joins) {
      Piece piece;
      piece.offset = static_cast<std::int64_t>(end * sector_size());
      piece.is_zeroes = is_zeroes;
      pieces.push_back(std::move(piece));
    }
    Piece& piece = pieces.back();
    if (!is_zeroes) {
      piece.data.append(data, 0, static_cast<std::size_t>(bytes));
      piece.vectors += data.count;
    }
    piece.bytes += bytes;
    end += static_cast<std::uint64_t>(bytes) / sector_size();
  };
  batch.for_each([&](const Record& record) {
    record.entry.put(headers);
    const iovec header{headers, sector_size()};
    place(block::IoView(&header, 1), sector_size(), false);
    headers += sector_size();
    if (record.entry.data_sectors() != 0) {
      place(record.data, static_cast<std::int64_t>(record.entry.data_sectors()) * sector_size(),
            record.is_zeroes);
    }
  });
  return pieces;
}

Task<Status> WriteLog::write_pieces(const std::vector<Piece>& pieces) {
  block::Node& node = *edge_.node;
  Status status;
  for (const Piece& piece : pieces) {
    if (piece.is_zeroes) {
      status = co_await block::pwrite_zeroes_to_child(edge_, piece.offset, piece.bytes,
                                                      block::kRequestMayUnmap);
    } else {
      status = co_await node.pwritev(edge_, piece.offset, piece.bytes, piece.data.view(), 0);
    }
    if (!status.ok()) {
      break;
    }
  }
  co_return status;
}

bool WriteLog::wants_super(const Batch& batch) const {
  const std::uint64_t interval = settings_.super_interval;
  bool wanted = entries_ / interval != (entries_ + batch.size()) / interval;
  batch.for_each(
      [&](const Record& record) { wanted = wanted || (record.entry.flags & kLogFlush) != 0; });
  return wanted;
}

Task<Status> WriteLog::finish() {
  Status status;
  if (!has_super_ || super_entries_ != entries_) {
    status = co_await write_super();
  }
  if (status.ok()) {
    status = co_await edge_.node->flush();
  }
  co_return status;
}

Task<Status> WriteLog::write_super() {
  const std::uint64_t entries = entries_;
  const auto sector =
      aio::AlignedBuffer::allocate(sector_size(), edge_.node->limits().optimal_memory_alignment);
  if (!sector) {
    co_return Status(-ENOMEM);
  }
  std::memset(sector.data(), 0, sector.size());
  WriteLogSuper super;
  super.entries = entries;
  super.sector_size = sector_size();
  super.put(sector.data());
  const iovec all{sector.data(), sector.size()};
  Status status = co_await edge_.node->pwritev(edge_, 0, static_cast<std::int64_t>(sector.size()),
                                               block::IoView(&all, 1), 0);
  if (status.ok()) {
    has_super_ = true;
    super_entries_ = entries;
  }
  co_return status;
}

}  // namespace blk::drivers
