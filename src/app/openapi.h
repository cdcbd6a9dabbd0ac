// The HTTP surface as an OpenAPI document, from what the server serves: its routes, the
// configuration's tables, named queries and webhook sources.
#pragma once

#include <string>
#include <string_view>

#include "app/configuration.h"
#include "base/random.h"
#include "base/result.h"

namespace tw::app {

// OpenAPI 3.1.0, one JSON text. Opens the schema in a database at `path`, which is made.
// `version`: of the program. Errors: as PrepareStore.
// Source: OpenAPI Specification 3.1.0; JSON Schema 2020-12.
Result<std::string> OpenApi(const Configuration& configuration, const std::string& path,
                            std::string_view version, Random& random);

}  // namespace tw::app
