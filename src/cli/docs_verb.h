// `tidewire docs`: references written from the descriptions that the program itself uses, so that
// they cannot say anything else than it does. docs/config.md and its neighbours are its output.
#pragma once

#include "cli/output.h"

namespace tw::cli {

enum class Reference : uint8_t {
  kConfig,        // docs/config.md: every key of the main file.
  kSource,        // docs/source.md: every key of a source file, and its expressions.
  kMetrics,       // docs/metrics.md: every metric that a server registers.
  kConfigSchema,  // docs/schema/tidewire.schema.json
  kSourceSchema,  // docs/schema/source.schema.json
};

struct DocsArguments {
  Reference reference = Reference::kConfig;
  Format format = Format::kText;  // Of errors only: the references have forms of their own.
};

// Prints the reference to standard output. kMetrics starts a server with the built-in example on a
// free loopback port and a temporary data directory, and stops it: a metric is registered by the
// object that counts. kRuntime when that fails; nothing else can.
ExitCode RunDocs(const DocsArguments& arguments);

}  // namespace tw::cli
