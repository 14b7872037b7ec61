// JSON Schema of a manifest, for editors that complete and check YAML. Main thread (asks the catalog).
#pragma once

#include <string>

#include "loader/kind_info.hpp"

namespace backplane::host {

// Draft 07, indented: a whole manifest (or an included file) with the kinds that the catalog knows. Made from
// the tables the reader uses. Kinds of plugins that the catalog does not know are let pass. What only a whole
// reading can tell (names, routes that never match, bounds of durations) is not in it.
std::string manifest_json_schema(const KindCatalog& catalog);

// The same for one kind: an object with the options of a component of that kind.
std::string kind_json_schema(const KindInfo& kind);

}  // namespace backplane::host
