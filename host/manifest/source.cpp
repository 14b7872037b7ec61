#include "manifest/source.hpp"

#include <algorithm>
#include <tuple>

namespace backplane::host {
namespace {

// " (included from a.yaml:3:5, b.yaml:1:2)", innermost first.
std::string include_chain(const Source& source) {
  if (source.includer == nullptr) return {};
  std::string chain = " (included from ";
  for (const auto* at = &source; at->includer != nullptr; at = at->includer) {
    if (at != &source) chain += ", ";
    chain += to_text(at->included_at);
  }
  return chain + ")";
}

// A problem is one line whatever a file's name, a plugin's reason or a text of YAML brings into it.
std::string one_line(std::string text) {
  for (auto& c : text)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  return text;
}

}  // namespace

std::string to_text(const Place& place) {
  return place.source->file.string() + ":" + std::to_string(place.line) + ":" + std::to_string(place.column);
}

void Problems::error(const Place& place, std::string text) {
  if (errors_.size() < problem_limit) {
    errors_.push_back({place, one_line(std::move(text))});
  } else {
    ++more_errors_;
  }
}

void Problems::warning(const Place& place, std::string text) {
  if (warnings_.size() < problem_limit) warnings_.push_back({place, one_line(std::move(text))});
}

void Problems::deliver(ReadResult& result) {
  result.errors = sorted(errors_);
  result.warnings = sorted(warnings_);
  result.more_errors = more_errors_;
}

std::vector<Problem> Problems::sorted(std::vector<Entry>& entries) {
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& left, const Entry& right) {
    const auto key = [](const Entry& entry) {
      return std::tuple(entry.place.source->rank, entry.place.line, entry.place.column);
    };
    return key(left) < key(right);
  });
  std::vector<Problem> problems;
  for (auto& entry : entries) {
    const auto& source = *entry.place.source;
    problems.push_back({{source.file.string(), entry.place.line, entry.place.column},
                        std::move(entry.text) + include_chain(source)});
  }
  return problems;
}

}  // namespace backplane::host
