// The addon's own copy of the numbers in lib/aio/protocol.ts.
#pragma once

#include <napi.h>

namespace blk::binding {

/// An object "Group.name" -> number, which lib/ compares with its copy when it loads the addon.
Napi::Object layout(Napi::Env env);

}  // namespace blk::binding
