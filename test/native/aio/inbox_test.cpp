#include "aio/inbox.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace {

using blk::aio::Inbox;
using blk::aio::IntrusiveList;
using blk::aio::Runnable;

struct Letter : Runnable {
  std::size_t producer = 0;
  int number = 0;
};

}  // namespace

TEST_CASE("aio/inbox: push says whether the inbox was empty, take gives the oldest first") {
  Inbox inbox;
  std::array<Letter, 3> letters;
  CHECK(inbox.empty());
  CHECK(inbox.push(&letters[0]));
  CHECK_FALSE(inbox.push(&letters[1]));
  CHECK_FALSE(inbox.push(&letters[2]));
  CHECK_FALSE(inbox.empty());
  IntrusiveList<Runnable> out;
  inbox.take(out);
  CHECK(inbox.empty());
  for (Letter& letter : letters) {
    CHECK(out.pop_front() == &letter);
  }
  CHECK(inbox.push(&letters[0]));
}

TEST_CASE("aio/inbox: four producers, each one's letters arrive in its order") {
  constexpr std::size_t kProducers = 4;
  constexpr int kLetters = 20'000;
  Inbox inbox;
  std::array<std::vector<Letter>, kProducers> letters;
  std::vector<std::thread> threads;
  for (std::size_t producer = 0; producer < kProducers; ++producer) {
    letters[producer] = std::vector<Letter>(kLetters);
    threads.emplace_back([&, producer] {
      for (int number = 0; number < kLetters; ++number) {
        Letter& letter = letters[producer][static_cast<std::size_t>(number)];
        letter.producer = producer;
        letter.number = number;
        inbox.push(&letter);
      }
    });
  }

  std::array<int, kProducers> expected{};
  int received = 0;
  int out_of_order = 0;
  IntrusiveList<Runnable> out;
  while (received < static_cast<int>(kProducers) * kLetters) {
    inbox.take(out);
    while (Runnable* item = out.pop_front()) {
      const auto* letter = static_cast<Letter*>(item);
      out_of_order += letter->number != expected[letter->producer]++ ? 1 : 0;
      ++received;
    }
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(out_of_order == 0);
  CHECK(inbox.empty());
}
