// The store, opened and checked against the configuration: the part that `check` and `serve` share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/configuration.h"
#include "capture/capture.h"
#include "ingest/source.h"
#include "policy/catalog.h"
#include "policy/channel_policy.h"
#include "query/invalidation/invalidation_map.h"
#include "query/named/catalogue.h"
#include "query/write/write_policies.h"
#include "store/store.h"

namespace tw::app {

struct PreparedStore {
  std::unique_ptr<store::Store> store;
  std::unique_ptr<capture::Capture> capture;
  std::vector<std::shared_ptr<const ingest::Source>> sources;
  policy::CatalogPtr catalog;
  query::QueryCataloguePtr queries;
  query::WritePoliciesPtr writes;
  query::InvalidationMapPtr invalidation;
  policy::ChannelPolicyPtr channel_policy;
};

// Compiles what the source files say against the tables that are there; `own` is our own database.
// Errors: kInvalidArgument with the place of what is wrong; kUnavailable (PostgreSQL).
Result<std::vector<std::shared_ptr<const ingest::Source>>> CompileSources(
    const Configuration& configuration, sqlite::Database& own);

// Opens or creates the database, runs schema and seed files, compiles sources and policies.
// Errors: kInvalidArgument with the place of what is wrong; the store's own.
Result<PreparedStore> PrepareStore(const Configuration& configuration, const std::string& path,
                                   const sqlite::OpenOptions& options, Random& random,
                                   telemetry::Registry& metrics);

}  // namespace tw::app
