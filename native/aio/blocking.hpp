// Running a blocking function on a worker of the context's engine, from a coroutine.
#pragma once

#include <cstdint>

#include "aio/engine.hpp"

namespace blk::aio {

/// `auto body = [&] { return ::fstat(...); };  auto r = co_await run_blocking(engine, body);`
/// The function must be a named object (GCC 12 destroys capturing-lambda temporaries of a co_await
/// expression twice); it returns a value or a negative errno, and must not touch anything that the
/// home thread uses meanwhile. ECANCELED when the engine is being torn down: the body did not run.
template <typename Function>
IoAwaiter run_blocking(Engine& engine, Function& body) {
  return IoAwaiter(
      engine, [](void* data) -> std::int64_t { return (*static_cast<Function*>(data))(); }, &body);
}

/// The same for what is not part of a request (open, close, measure): never delayed by the sim
/// engine.
template <typename Function>
IoAwaiter run_control(Engine& engine, Function& body) {
  IoAwaiter awaiter = run_blocking(engine, body);
  awaiter.control = true;
  return awaiter;
}

}  // namespace blk::aio
