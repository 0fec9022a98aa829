#include "aio/poll-window.hpp"

#include <doctest/doctest.h>

using blk::aio::Nanoseconds;
using blk::aio::PollWindow;

TEST_CASE("aio/poll-window: it grows from 4 us to its most while work comes soon") {
  PollWindow window(32'768);
  CHECK(window.length() == 0);
  for (const Nanoseconds length : {4'000, 8'000, 16'000, 32'000, 32'768, 32'768}) {
    window.learn(32'768);
    CHECK(window.length() == length);
  }
}

TEST_CASE("aio/poll-window: what was found within it leaves it as it is") {
  PollWindow window(32'768);
  window.learn(10'000);
  window.learn(4'000);
  window.learn(0);
  CHECK(window.length() == 4'000);
}

TEST_CASE("aio/poll-window: one long wait closes it") {
  PollWindow window(32'768);
  window.learn(10'000);
  window.learn(10'000);
  window.learn(32'768 + 60'000);
  CHECK(window.length() == 16'000);
  window.learn(32'768 + 60'001);
  CHECK(window.length() == 0);
}

TEST_CASE("aio/poll-window: with a most of 0 there is none") {
  PollWindow window(0);
  window.learn(1);
  CHECK(window.length() == 0);
}
