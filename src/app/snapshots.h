// Snapshots for one loop, read by the threads that answer table reads, under the same policies.
#pragma once

#include <cstdint>
#include <span>

#include "io/loop.h"
#include "query/postgres_reader.h"
#include "query/reader_pool.h"
#include "session/snapshot_source.h"

namespace tw::app {

// On the embedded store.
class PoolSnapshots final : public session::SnapshotSource {
 public:
  PoolSnapshots(query::ReaderPool& pool, io::Loop& loop, uint64_t epoch)
      : pool_(pool), loop_(loop), epoch_(epoch) {}
  void Read(const policy::CatalogPtr& catalog, const ClaimsPtr& claims,
            std::span<const router::TableBinding> bindings, const session::SnapshotLimits& limits,
            Function<void(Result<session::Snapshot>)> done) override;

 private:
  query::ReaderPool& pool_;
  io::Loop& loop_;
  const uint64_t epoch_;
};

// On PostgreSQL: as the reader's role.
class PostgresSnapshots final : public session::SnapshotSource {
 public:
  PostgresSnapshots(query::PostgresReaders& readers, io::Loop& loop)
      : readers_(readers), loop_(loop) {}
  void Read(const policy::CatalogPtr& catalog, const ClaimsPtr& claims,
            std::span<const router::TableBinding> bindings, const session::SnapshotLimits& limits,
            Function<void(Result<session::Snapshot>)> done) override;

 private:
  query::PostgresReaders& readers_;
  io::Loop& loop_;
};

}  // namespace tw::app
