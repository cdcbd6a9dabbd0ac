// Short forms of the language, written out before the keys are read: what stays is what
// source_config.h describes.
#pragma once

#include <vector>

#include "config/load.h"
#include "config/node.h"

namespace tw::ingest {

// One tree per source: a file with `sources:` has several, which share the rest of the file.
std::vector<config::Node> SplitSources(const config::Node& root, config::Reader& reader);

// The tree with its short forms written out:
//   tables.stages                     beside the tables
//   http: { base_url: … }             one client named "default"; `defaults` under every client
//   upsert: { table: …, set: … }      in an event or a stream: an entry of tables; its `version` is
//                                     the record's occurred_at, its `tie` the table's
// and with ${secret.NAME} resolved in webhook.authenticate.
config::Node WithShortForms(const config::Node& root, config::Reader& reader);

}  // namespace tw::ingest
