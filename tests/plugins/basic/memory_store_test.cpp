#include "memory_store.hpp"

#include <gtest/gtest.h>

namespace backplane::basic {
namespace {

using Value = std::optional<std::string_view>;

MemoryStore::Limits limits(std::size_t entries, std::size_t bytes, bool evict) {
  return {.max_entries = entries, .max_bytes = bytes, .evict = evict};
}

TEST(MemoryStore, KeepsTheLastValueOfAKey) {
  MemoryStore store({});
  EXPECT_EQ(store.get("k", 0), std::nullopt);
  EXPECT_TRUE(store.set("k", "1", 0));
  EXPECT_TRUE(store.set("k", "two", 0));
  EXPECT_EQ(store.get("k", 0), Value("two"));
  EXPECT_EQ(store.size(), 1u);
  EXPECT_EQ(store.bytes(), 4u);
}

TEST(MemoryStore, AnEmptyKeyAndAnEmptyValueAreFine) {
  MemoryStore store({});
  EXPECT_TRUE(store.set("", "", 0));
  EXPECT_EQ(store.get("", 0), Value(""));
}

TEST(MemoryStore, RemovingAnAbsentKeyIsNoError) {
  MemoryStore store({});
  store.set("k", "v", 0);
  EXPECT_TRUE(store.remove("k", 0));
  EXPECT_FALSE(store.remove("k", 0));
  EXPECT_EQ(store.bytes(), 0u);
}

TEST(MemoryStore, FullItForgetsWhatWasNotUsedForLongest) {
  MemoryStore store(limits(2, 100, true));
  store.set("a", "1", 0);
  store.set("b", "2", 0);
  store.get("a", 0);
  EXPECT_TRUE(store.set("c", "3", 0));
  EXPECT_EQ(store.get("b", 0), std::nullopt);
  EXPECT_EQ(store.get("a", 0), Value("1"));
  EXPECT_EQ(store.evicted(), 1u);
}

TEST(MemoryStore, FullOfBytesItForgetsAsManyAsNeeded) {
  MemoryStore store(limits(100, 10, true));
  for (const auto* key : {"a", "b", "c"}) store.set(key, "12", 0);
  EXPECT_TRUE(store.set("d", "1234567", 0));
  EXPECT_EQ(store.size(), 1u);
  EXPECT_EQ(store.bytes(), 8u);
  EXPECT_EQ(store.evicted(), 3u);
}

TEST(MemoryStore, FullItRefusesWhenItMayNotForget) {
  MemoryStore store(limits(1, 4, false));
  EXPECT_TRUE(store.set("a", "1", 0));
  EXPECT_FALSE(store.set("b", "2", 0));
  EXPECT_TRUE(store.set("a", "123", 0));
  EXPECT_FALSE(store.set("a", "1234", 0));
  EXPECT_EQ(store.get("a", 0), Value("123"));
}

TEST(MemoryStore, WhatNeverFitsIsRefusedAndChangesNothing) {
  MemoryStore store(limits(10, 4, true));
  store.set("a", "1", 0);
  EXPECT_FALSE(store.set("b", "12345", 0));
  EXPECT_EQ(store.get("a", 0), Value("1"));
}

TEST(MemoryStore, AnEntryEndsAtItsTime) {
  MemoryStore store({});
  store.set("k", "v", 0, 10);
  EXPECT_EQ(store.get("k", 9), Value("v"));
  EXPECT_EQ(store.get("k", 10), std::nullopt);
  EXPECT_EQ(store.expired(), 1u);
  EXPECT_EQ(store.size(), 0u);
}

TEST(MemoryStore, ANewValueHasANewTime) {
  MemoryStore store({});
  store.set("k", "v", 0, 10);
  store.set("k", "w", 5);
  EXPECT_EQ(store.expire(100), 1u);
  EXPECT_EQ(store.get("k", 100), Value("w"));
}

TEST(MemoryStore, ExpiredEntriesMakeRoomFirst) {
  MemoryStore store(limits(2, 100, true));
  store.set("a", "1", 0, 10);
  store.set("b", "2", 0);
  store.set("c", "3", 20);
  EXPECT_EQ(store.get("b", 20), Value("2"));
  EXPECT_EQ(store.evicted(), 0u);
}

}  // namespace
}  // namespace backplane::basic
