#include "app/snapshots.h"

#include <memory>
#include <utility>
#include <vector>

#include "policy/program.h"

namespace tw::app {
namespace {

using session::Snapshot;
using Done = Function<void(Result<Snapshot>)>;

std::vector<query::TableQuery> QueriesOf(const policy::Catalog& catalog, const Claims& claims,
                                         std::span<const router::TableBinding> bindings) {
  std::vector<query::TableQuery> queries;
  for (const router::TableBinding& binding : bindings) {
    query::TableQuery query;
    query.relation = binding.relation;
    query.access = binding.access;
    query.inner = catalog.inner();
    query.filter = binding.filter;
    query.limit = UINT64_MAX;  // Too many rows are refused, not cut.
    if (catalog.reads_as_role()) {
      // The database decides, as this role; what it would not show is not asked for.
      query.as_role = {claims.role, claims.text};
      query.readable = binding.access->program().readable();
      query.access = std::make_shared<const policy::Access>(
          policy::Program::Allowing(binding.relation), std::make_unique<policy::Slots>());
    }
    query.columns.assign(binding.selected.begin(), binding.selected.end());
    for (size_t i = 0; binding.selected.empty() && i < binding.relation->columns.size(); ++i) {
      query.columns.push_back(i);
    }
    queries.push_back(std::move(query));
  }
  return queries;
}

query::ReaderLimits LimitsOf(const session::SnapshotLimits& limits) {
  query::ReaderLimits reads;
  reads.rows_max = limits.rows_max;
  reads.result_bytes_max = limits.bytes_max;
  return reads;
}

session::SnapshotTable PagesOf(query::TableResult& result) {
  session::SnapshotTable table{.pages = {}, .rows = result.rows};
  if (result.cuts.empty()) {
    table.pages.push_back(std::move(result.json));
    return table;
  }
  const std::string_view all(result.json);
  size_t begin = 1;  // Behind the bracket, then behind each comma.
  result.cuts.push_back(all.size() - 1);
  for (const size_t end : result.cuts) {
    table.pages.push_back(std::string("[").append(all.substr(begin, end - begin)).append("]"));
    begin = end + 1;
  }
  return table;
}

Result<Snapshot> SnapshotOf(Result<std::vector<query::TableResult>> results) {
  if (!results.ok()) return std::unexpected(results.error());
  Snapshot snapshot;
  for (query::TableResult& result : *results) {
    snapshot.position = result.position;
    snapshot.bytes += result.json.size();
    snapshot.tables.push_back(PagesOf(result));
  }
  return snapshot;
}

// Hands the answer, or the refusal to read, to the loop. `read` is called on the reader's thread.
template <typename Reader, typename Readers, typename Read>
void Submit(Readers& readers, io::Loop& loop, Done done, Read read) {
  auto shared = std::make_shared<Done>(std::move(done));
  const Status submitted =
      readers.Submit([&loop, shared, read = std::move(read)](Reader& reader) mutable {
        auto snapshot = SnapshotOf(read(reader));
        loop.Post(
            [shared, snapshot = std::move(snapshot)]() mutable { (*shared)(std::move(snapshot)); });
      });
  if (submitted.ok()) return;
  // A full queue is no property of the rows.
  loop.Post([shared, message = submitted.error().message] {
    (*shared)(Fail(ErrorCode::kUnavailable, message));
  });
}

}  // namespace

void PoolSnapshots::Read(const policy::CatalogPtr& catalog, const ClaimsPtr& claims,
                         std::span<const router::TableBinding> bindings,
                         const session::SnapshotLimits& limits, Done done) {
  Submit<query::ReadConnection>(
      pool_, loop_, std::move(done),
      [epoch = epoch_, limits = LimitsOf(limits),
       queries = QueriesOf(*catalog, *claims, bindings)](query::ReadConnection& reader) {
        return query::ReadTables(reader.database, epoch, queries, limits);
      });
}

void PostgresSnapshots::Read(const policy::CatalogPtr& catalog, const ClaimsPtr& claims,
                             std::span<const router::TableBinding> bindings,
                             const session::SnapshotLimits& limits, Done done) {
  Submit<query::PostgresReader>(
      readers_, loop_, std::move(done),
      [limits = LimitsOf(limits), queries = QueriesOf(*catalog, *claims, bindings)](
          query::PostgresReader& reader) { return reader.ReadTables(queries, limits); });
}

}  // namespace tw::app
