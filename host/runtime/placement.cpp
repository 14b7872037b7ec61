#include "runtime/placement.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <thread>
#include <unordered_map>

namespace backplane::host {

namespace {

using Names = std::unordered_map<std::string, std::size_t>;  // component -> index in the manifest

Names index_of(const Manifest& manifest) {
  Names names;
  for (std::size_t i = 0; i < manifest.components.size(); ++i) names.emplace(manifest.components[i].name, i);
  return names;
}

bool in_pool(const ComponentSettings& settings) { return settings.loop.empty() && !settings.blocking; }

// Sets of components joined by routes.
class Groups {
 public:
  explicit Groups(std::size_t count) : parent_(count) {
    std::iota(parent_.begin(), parent_.end(), std::size_t{0});
  }
  std::size_t find(std::size_t of) {
    while (parent_[of] != of) of = parent_[of] = parent_[parent_[of]];
    return of;
  }
  void join(std::size_t one, std::size_t other) { parent_[find(other)] = find(one); }

 private:
  std::vector<std::size_t> parent_;
};

Groups join_by_routes(const Manifest& manifest, const Names& names) {
  Groups groups(manifest.components.size());
  const auto single = [&](std::size_t index) {
    return in_pool(manifest.components[index]) && manifest.components[index].instances == 1;
  };
  for (const auto& route : manifest.routes)
    for (const auto& to : route.to)
      if (single(names.at(route.from)) && single(names.at(to)))
        groups.join(names.at(route.from), names.at(to));
  return groups;
}

// Depth first along the routes; a cycle is entered at its first component in the file.
std::vector<std::size_t> start_order(const Manifest& manifest, const Names& names) {
  std::vector<std::vector<std::size_t>> destinations(manifest.components.size());
  for (const auto& route : manifest.routes)
    for (const auto& to : route.to) destinations[names.at(route.from)].push_back(names.at(to));
  std::vector<std::size_t> order;
  std::vector<bool> seen(manifest.components.size(), false);
  std::vector<std::pair<std::size_t, std::size_t>> path;  // component, next destination to look at
  for (std::size_t first = 0; first < seen.size(); ++first) {
    if (seen[first]) continue;
    seen[first] = true;
    path.emplace_back(first, 0);
    while (!path.empty()) {
      auto& [component, next] = path.back();
      if (next < destinations[component].size()) {
        const auto destination = destinations[component][next++];
        if (seen[destination]) continue;
        seen[destination] = true;
        path.emplace_back(destination, 0);
      } else {
        order.push_back(component);
        path.pop_back();
      }
    }
  }
  return order;
}

// Hands out loop numbers.
class Loops {
 public:
  explicit Loops(unsigned pool) : pool_(pool) {}

  std::uint32_t named(const std::string& name) {
    const auto [place, fresh] = by_name_.try_emplace(name, static_cast<std::uint32_t>(names_.size()));
    if (fresh) names_.push_back(name);
    return place->second;
  }
  // The loop of the pool with the fewest components.
  std::uint32_t least_filled() {
    if (load_.size() < pool_) {
      load_.emplace_back(named("pool-" + std::to_string(load_.size() + 1)), 0u);
      return take(load_.back());
    }
    return take(*std::min_element(load_.begin(), load_.end(), [](const auto& one, const auto& other) {
      return one.second < other.second;
    }));
  }
  void add_to(std::uint32_t loop) {
    for (auto& pooled : load_)
      if (pooled.first == loop) ++pooled.second;
  }
  std::vector<std::string> names() && { return std::move(names_); }

 private:
  static std::uint32_t take(std::pair<std::uint32_t, unsigned>& pooled) {
    ++pooled.second;
    return pooled.first;
  }

  unsigned pool_;
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t> by_name_;
  std::vector<std::pair<std::uint32_t, unsigned>> load_;  // loop, components
};

}  // namespace

Placement place(const Manifest& manifest, const KindCatalog& catalog) {
  const Names names = index_of(manifest);
  Groups groups = join_by_routes(manifest, names);
  const unsigned cores = std::max(1u, std::thread::hardware_concurrency());
  Loops loops(manifest.host.loops == 0 ? cores : manifest.host.loops);
  std::map<std::size_t, std::uint32_t> loop_of_group;
  Placement placement;
  const auto choose = [&](std::size_t index, const std::string& own) {
    const auto& settings = manifest.components[index];
    if (settings.blocking) return loops.named(own);
    if (!settings.loop.empty()) return loops.named(settings.loop);
    if ((catalog.find(settings.kind)->properties & BP_OWN_LOOP) != 0) return loops.named(own);
    if (settings.instances > 1) return loops.least_filled();
    const auto group = groups.find(index);
    if (const auto found = loop_of_group.find(group); found != loop_of_group.end()) {
      loops.add_to(found->second);
      return found->second;
    }
    return loop_of_group[group] = loops.least_filled();
  };
  for (const auto index : start_order(manifest, names)) {
    const auto& settings = manifest.components[index];
    for (std::uint32_t instance = 0; instance < settings.instances; ++instance) {
      const auto own =
          "own:" + settings.name + (settings.instances == 1 ? "" : "#" + std::to_string(instance + 1));
      placement.instances.push_back({&settings, catalog.find(settings.kind), instance, choose(index, own)});
    }
  }
  placement.loops = std::move(loops).names();
  return placement;
}

}  // namespace backplane::host
