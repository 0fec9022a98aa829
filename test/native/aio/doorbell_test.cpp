#include "aio/doorbell.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

#include "support.hpp"

using blk::aio::Doorbell;
using blk::test::readable;

TEST_CASE("aio/doorbell: is written once until it was answered") {
  Doorbell doorbell;
  REQUIRE(doorbell.open() == 0);
  CHECK_FALSE(readable(doorbell.fd()));
  for (int i = 0; i < 5; ++i) {
    doorbell.ring();
  }
  std::uint64_t writes = 0;
  REQUIRE(::read(doorbell.fd(), &writes, sizeof(writes)) == sizeof(writes));
  CHECK(writes == 1);
  doorbell.answer(false);
  doorbell.ring();
  CHECK(readable(doorbell.fd()));
}

TEST_CASE("aio/doorbell: answering drains the descriptor, however often it is answered") {
  Doorbell doorbell;
  REQUIRE(doorbell.open() == 0);
  for (int i = 0; i < 3; ++i) {
    doorbell.answer(true);
    doorbell.ring();
    CHECK(readable(doorbell.fd()));
    doorbell.answer(true);
    CHECK_FALSE(readable(doorbell.fd()));
  }
}

TEST_CASE("aio/doorbell: four producers never leave the sleeper asleep, nor the bell ringing") {
  constexpr int kProducers = 4;
  constexpr int kItems = 20'000;
  Doorbell doorbell;
  REQUIRE(doorbell.open() == 0);
  std::atomic<int> left{0};
  std::vector<std::thread> producers;
  for (int producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&] {
      for (int i = 0; i < kItems; ++i) {
        left.fetch_add(1, std::memory_order_relaxed);
        doorbell.ring();
      }
    });
  }
  int received = 0;
  bool slept_too_long = false;
  while (received < kProducers * kItems && !slept_too_long) {
    pollfd poll{doorbell.fd(), POLLIN, 0};
    slept_too_long = ::poll(&poll, 1, 20'000) == 0;
    doorbell.answer(true);
    received += left.exchange(0, std::memory_order_relaxed);
  }
  for (std::thread& producer : producers) {
    producer.join();
  }
  CHECK(received == kProducers * kItems);
  // A write that came after its answer is still owed: this answer takes it.
  doorbell.answer(true);
  CHECK_FALSE(readable(doorbell.fd()));
}

TEST_CASE("aio/doorbell: an answer between a ring and its write does not leave the bell ringing") {
  constexpr int kTrials = 2'000;
  Doorbell doorbell;
  REQUIRE(doorbell.open() == 0);
  std::atomic<int> trial{0};
  std::atomic<int> rung{0};
  std::thread producer([&] {
    for (int i = 1; i <= kTrials; ++i) {
      while (trial.load() < i) {
        std::this_thread::yield();
      }
      doorbell.ring();
      rung = i;
    }
  });
  int left_ringing = 0;
  for (int i = 1; i <= kTrials; ++i) {
    trial = i;
    while (rung.load() < i) {
      doorbell.answer(true);
    }
    doorbell.answer(true);
    left_ringing += readable(doorbell.fd()) ? 1 : 0;
  }
  producer.join();
  CHECK(left_ringing == 0);
}
