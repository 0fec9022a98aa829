// nodeBitmapAdd ... nodeBitmaps: what was changed in a node. All of it in order with requests.
#include <algorithm>
#include <cerrno>

#include "binding/environment.hpp"
#include "binding/exports.hpp"
#include "binding/failure.hpp"
#include "binding/values.hpp"
#include "block/node.hpp"

namespace blk::binding {
namespace {

using block::DirtyBitmap;
using block::DirtyBitmaps;

std::string string_at(const Napi::CallbackInfo& info, std::size_t index) {
  return ValueReader(info[index]).string();
}

/// Runs `change` on the home of the node, after the requests that were made before, and returns its
/// result, a negative errno or not.
template <typename Change>
Napi::Value change_bitmaps(const Napi::CallbackInfo& info, Change change) {
  Environment& environment = environment_of(info);
  environment.ring().ingest();
  std::shared_ptr<BoundNode> bound = environment.nodes.share(number_at(info, 0));
  if (bound == nullptr) {
    return errno_value(info, -EBADF);
  }
  int result = 0;
  bound->home->run_and_wait([&] { result = change(*bound->node); });
  return errno_value(info, result);
}

/// The same for one of them that must be there.
template <typename Change>
Napi::Value change_bitmap(const Napi::CallbackInfo& info, Change change) {
  const std::string name = string_at(info, 1);
  return change_bitmaps(info, [&](block::Node& node) {
    DirtyBitmap* bitmap = node.dirty_bitmaps().find(name);
    return bitmap != nullptr ? change(node, *bitmap) : -ENOENT;
  });
}

// nodeBitmapAdd(node, name, granularity, recording): granularity 0 is the default, that of the
// image where it has one (bdrv_get_default_bitmap_granularity).
Napi::Value node_bitmap_add(const Napi::CallbackInfo& info) {
  const std::string name = string_at(info, 1);
  const auto wanted = static_cast<std::uint32_t>(number_at(info, 2));
  const bool recording = ValueReader(info[3]).boolean();
  return change_bitmaps(info, [&](block::Node& node) {
    if (node.dirty_bitmaps().find(name) != nullptr) {
      return -EEXIST;
    }
    constexpr std::int64_t kLeast = 4096;
    const std::int64_t cluster = node.driver().cluster_size();
    const std::int64_t usual =
        cluster > 0 ? std::clamp<std::int64_t>(cluster, kLeast, DirtyBitmaps::kMostDefault)
                    : DirtyBitmaps::kMostDefault;
    auto bitmap = DirtyBitmap::create(
        name, wanted != 0 ? wanted : static_cast<std::uint32_t>(usual), node.length(), recording);
    if (bitmap == nullptr) {
      return -ENOMEM;
    }
    node.dirty_bitmaps().add(std::move(bitmap));
    return 0;
  });
}

Napi::Value node_bitmap_remove(const Napi::CallbackInfo& info) {
  return change_bitmap(info, [](block::Node& node, DirtyBitmap& bitmap) {
    node.dirty_bitmaps().remove(std::string(bitmap.name()));
    return 0;
  });
}

Napi::Value node_bitmap_clear(const Napi::CallbackInfo& info) {
  return change_bitmap(info, [](block::Node& /*node*/, DirtyBitmap& bitmap) {
    bitmap.clear();
    return 0;
  });
}

// nodeBitmapRecord(node, name, recording)
Napi::Value node_bitmap_record(const Napi::CallbackInfo& info) {
  const bool recording = ValueReader(info[2]).boolean();
  return change_bitmap(info, [recording](block::Node& /*node*/, DirtyBitmap& bitmap) {
    bitmap.set_recording(recording);
    return 0;
  });
}

// nodeBitmapMerge(node, name, other): another one of the same node.
Napi::Value node_bitmap_merge(const Napi::CallbackInfo& info) {
  const std::string other = string_at(info, 2);
  return change_bitmap(info, [&other](block::Node& node, DirtyBitmap& bitmap) {
    const DirtyBitmap* source = node.dirty_bitmaps().find(other);
    if (source == nullptr) {
      return -ENOENT;
    }
    bitmap.merge(*source);
    return 0;
  });
}

// nodeBitmaps(node): in the order in which they were made.
Napi::Value node_bitmaps(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::shared_ptr<BoundNode> bound = environment_of(info).nodes.share(number_at(info, 0));
  const std::size_t count = bound != nullptr ? bound->node->dirty_bitmaps().all().size() : 0;
  return {env, array_of(env, count, [&](std::size_t index) -> napi_value {
            const DirtyBitmap& bitmap = *bound->node->dirty_bitmaps().all()[index];
            return ObjectWriter(env)
                .set("name", std::string_view(bitmap.name()))
                .set("granularity", bitmap.granularity())
                .set("count", bitmap.count())
                .set("recording", bitmap.is_recording())
                .set("inconsistent", bitmap.is_inconsistent())
                .object();
          })};
}

}  // namespace

void export_dirty_bitmaps(Environment& environment, Napi::Object exports) {
  add_function(environment, exports, "nodeBitmapAdd", node_bitmap_add);
  add_function(environment, exports, "nodeBitmapRemove", node_bitmap_remove);
  add_function(environment, exports, "nodeBitmapClear", node_bitmap_clear);
  add_function(environment, exports, "nodeBitmapRecord", node_bitmap_record);
  add_function(environment, exports, "nodeBitmapMerge", node_bitmap_merge);
  add_function(environment, exports, "nodeBitmaps", node_bitmaps);
}

}  // namespace blk::binding
