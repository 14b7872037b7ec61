// What is under way, found again by number. A number comes again only when its slot was used 268 million
// times, so a late or forged one finds nothing. Its four highest bits are 0. Values are kept when their slot
// is free and reused, so steady work allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace backplane::zmq {

template <typename Value>
class Slots {
 public:
  // A number (never 0) for a new entry; its value is as the last user of the slot left it.
  std::uint64_t take() {
    if (free_.empty()) {
      slots_.push_back(std::make_unique<Slot>());
      free_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
    }
    const auto index = free_.back();
    free_.pop_back();
    auto& slot = *slots_[index];
    slot.used = true;
    slot.generation = slot.generation == most_generations ? 1 : slot.generation + 1;
    return (std::uint64_t{slot.generation} << 32) | index;
  }
  // nullptr when it was released, or never taken. Valid until it is released.
  Value* find(std::uint64_t number) {
    const auto index = static_cast<std::uint32_t>(number);
    if (index >= slots_.size()) return nullptr;
    auto& slot = *slots_[index];
    return slot.used && slot.generation == number >> 32 ? &slot.value : nullptr;
  }
  // REQUIRES: find(number) is not nullptr.
  void release(std::uint64_t number) {
    const auto index = static_cast<std::uint32_t>(number);
    slots_[index]->used = false;
    free_.push_back(index);
  }
  std::size_t size() const { return slots_.size() - free_.size(); }
  // The numbers of all entries for whose value `chosen` is true.
  template <typename Chosen>
  std::vector<std::uint64_t> numbers(Chosen&& chosen) const {
    std::vector<std::uint64_t> all;
    for (std::uint32_t i = 0; i < slots_.size(); ++i)
      if (slots_[i]->used && chosen(slots_[i]->value))
        all.push_back((std::uint64_t{slots_[i]->generation} << 32) | i);
    return all;
  }

 private:
  static constexpr std::uint32_t most_generations = (1U << 28) - 1;

  struct Slot {
    Value value;
    std::uint32_t generation = 0;
    bool used = false;
  };

  std::vector<std::unique_ptr<Slot>> slots_;  // they stay where they are
  std::vector<std::uint32_t> free_;
};

}  // namespace backplane::zmq
