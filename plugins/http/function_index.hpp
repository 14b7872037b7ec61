// The functions that are offered over HTTP, and what is said of them. Pure. One thread at a time.
#pragma once

#include <backplane/published.hpp>
#include <backplane/value.hpp>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace backplane::http {

class FunctionIndex {
 public:
  FunctionIndex() = default;
  // Of `all`, those of `components`, or of every component when it is empty, but those of control_group. The
  // SDK's own deferred_result is not offered: answers are waited for.
  FunctionIndex(std::vector<PublishedFunction> all, const std::vector<std::string>& components);

  // The function behind a decoded path, /COMPONENT/FUNCTION, or /FUNCTION when one component alone has it.
  const PublishedFunction* find(std::string_view path) const;
  // What is wrong with a path that find() does not know, naming near ones.
  std::string why_unknown(std::string_view path) const;
  const std::vector<PublishedFunction>& all() const { return functions_; }

  // What GET / answers.
  Value overview(std::string_view host_name) const;
  // An OpenAPI 3.1 document.
  Value openapi(std::string_view host_name) const;

 private:
  std::vector<std::string> components_of(std::string_view function) const;

  std::vector<PublishedFunction> functions_;
  std::map<std::string, std::size_t, std::less<>> by_path_;
  std::map<std::string, std::vector<std::size_t>, std::less<>> by_name_;
};

// The path of a function as it goes into a URL.
std::string path_of(const PublishedFunction& function);

}  // namespace backplane::http
