// The named queries, compiled against the schema and the policies.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "model/claims.h"
#include "policy/catalog.h"
#include "query/named/parameters.h"
#include "query/named/read_set.h"
#include "query/named/sql_text.h"
#include "query/query_config.h"

namespace tw::query {

// Where the value of a SQL parameter comes from.
struct Binding {
  size_t argument = 0;     // Index of the client's parameter, unless `claim` is set.
  std::string claim;       // "app.org": the path below the claims.
};

struct ResultColumn {
  std::string name;
  ColumnType type = ColumnType::kText;  // What a base column has.
  bool derived = false;                 // An expression: its values tell their own types.
};

struct NamedQuery : std::enable_shared_from_this<NamedQuery> {
  std::string name;
  size_t index = 0;
  std::string version;  // Changes with whatever changes a result or its rights.
  SqlText sql;
  std::vector<Parameter> parameters;
  std::vector<Binding> bindings;  // Parallel to sql.names.
  std::vector<std::string> roles;
  QueryAccess access = QueryAccess::kCaller;
  std::vector<ResultColumn> columns;
  std::vector<size_t> row_key;    // Indices into `columns`; empty: rows have no identity.
  LiveMode live = LiveMode::kResult;  // Never kAuto.
  ReadSet reads;
  std::vector<size_t> guarded;    // Indices into the policy catalogue: tables whose rights matter.
  std::string key;                // JSON; "" where it is [name, args].
  std::vector<std::string> tags;
  QueryCacheConfig cache;
  QueryLimitsConfig limits;
  QueryPolicyConfig page;

  bool AllowsRole(std::string_view role) const;
};

using NamedQueryPtr = std::shared_ptr<const NamedQuery>;

class QueryCatalogue {
 public:
  // Null when there is no such query.
  const NamedQuery* Find(std::string_view name) const;
  // "…; did you mean 'x'?" or nothing.
  std::string Suggestion(std::string_view name) const;
  const std::vector<NamedQueryPtr>& queries() const { return queries_; }
  const policy::CatalogPtr& policies() const { return policies_; }

  QueryCatalogue(policy::CatalogPtr policies, std::vector<NamedQueryPtr> queries);

 private:
  policy::CatalogPtr policies_;
  std::vector<NamedQueryPtr> queries_;
  StringMap<size_t> by_name_;
};

using QueryCataloguePtr = std::shared_ptr<const QueryCatalogue>;

// Compiles all queries against the database at `path`. Errors: kInvalidArgument, one line
// "file:line:column: queries.<name>: …" per finding: SQL that does not read or does not compile
// (with its own line and column), unknown parameters, tables that `tables` does not name, row keys
// that are no columns, live modes that cannot be kept.
Result<QueryCataloguePtr> CompileQueries(const config::OrderedMap<QueryConfig>& given,
                                         const policy::CatalogPtr& policies,
                                         const std::string& path);

// What one caller's call is: all that decides its rows.
struct Call {
  std::shared_ptr<const NamedQuery> query;  // Also after its catalogue has been replaced.
  std::vector<Value> arguments;             // Parallel to query->parameters.
  std::vector<Value> bound;                 // Parallel to query->bindings.
  std::vector<policy::AccessPtr> access;    // Parallel to the policy catalogue; null: not read.
  std::string arguments_json;
  std::string auth_class;  // Equal for callers who may share; opaque bytes.
  std::string key;         // Of the result: query, version, arguments, auth class.
};

// The rights of a caller for a query: what does not depend on arguments.
struct Rights {
  std::vector<policy::AccessPtr> access;
  std::string auth_class;
};
// Errors: forbidden (role, or claims that a policy cannot read).
CallResult<Rights> RightsOf(const QueryCatalogue& catalogue, const NamedQuery& query,
                            const Claims& claims);

// `query` is owned by a NamedQueryPtr.
Call MakeCall(const NamedQuery& query, std::vector<Value> arguments, Rights rights,
              const Claims& claims);

// The client cache key with its parameters filled in, JSON.
std::string ClientKey(const Call& call);
// The id of a subscription: query and arguments, equal for every caller.
std::string SubscriptionId(const Call& call);

}  // namespace tw::query
