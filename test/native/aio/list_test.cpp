#include "aio/list.hpp"

#include <doctest/doctest.h>

#include <array>
#include <vector>

namespace {

struct Item {
  Item* next = nullptr;
  int value = 0;
};

using List = blk::aio::IntrusiveList<Item>;

std::vector<int> drain(List& list) {
  std::vector<int> values;
  while (Item* item = list.pop_front()) {
    CHECK(item->next == nullptr);
    values.push_back(item->value);
  }
  CHECK(list.empty());
  CHECK(list.size() == 0);
  return values;
}

struct Items {
  std::array<Item, 5> items;
  List list;
  Items() {
    for (int i = 0; i < 5; ++i) {
      items[static_cast<std::size_t>(i)].value = i;
      list.push_back(&items[static_cast<std::size_t>(i)]);
    }
  }
};

}  // namespace

TEST_CASE("aio/list: first in, first out") {
  Items five;
  CHECK(five.list.size() == 5);
  CHECK(five.list.front()->value == 0);
  CHECK(drain(five.list) == std::vector<int>{0, 1, 2, 3, 4});
  CHECK(five.list.pop_front() == nullptr);
}

TEST_CASE("aio/list: push_front goes first, also into an empty list") {
  Item a{nullptr, 1};
  Item b{nullptr, 2};
  Item c{nullptr, 3};
  List list;
  list.push_front(&a);
  list.push_back(&b);
  list.push_front(&c);
  CHECK(drain(list) == std::vector<int>{3, 1, 2});
}

TEST_CASE("aio/list: remove_if takes the first match and keeps both ends right") {
  for (int wanted = 0; wanted < 5; ++wanted) {
    Items five;
    Item* removed = five.list.remove_if([&](const Item& item) { return item.value == wanted; });
    REQUIRE(removed != nullptr);
    CHECK(removed->value == wanted);
    five.list.push_back(removed);
    std::vector<int> expected;
    for (int i = 0; i < 5; ++i) {
      if (i != wanted) {
        expected.push_back(i);
      }
    }
    expected.push_back(wanted);
    CHECK(drain(five.list) == expected);
  }
  Items five;
  CHECK(five.list.remove_if([](const Item&) { return false; }) == nullptr);
  CHECK(five.list.size() == 5);
}

TEST_CASE("aio/list: splice_to appends everything and leaves nothing") {
  Items five;
  Item last{nullptr, 9};
  Item first{nullptr, 8};
  List other;
  other.push_back(&first);
  five.list.splice_to(other);
  CHECK(five.list.empty());
  five.list.splice_to(other);
  CHECK(other.size() == 6);
  other.push_back(&last);
  CHECK(drain(other) == std::vector<int>{8, 0, 1, 2, 3, 4, 9});
}
