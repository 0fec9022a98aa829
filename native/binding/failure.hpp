// Failures as lib/ expects them: { errno, kind, args }.
#pragma once

#include <napi.h>

#include <string>

#include "block/error-report.hpp"

namespace blk::binding {

Napi::Object failure(Napi::Env env, const block::ErrorReport& report);
Napi::Object failure(Napi::Env env, int error, const char* kind);

}  // namespace blk::binding
