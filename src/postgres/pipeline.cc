#include "postgres/pipeline.h"

#include <libpq-fe.h>

#include <optional>
#include <vector>

#include "postgres/server_error.h"

namespace tw::postgres {
namespace {

struct Texts {
  explicit Texts(std::span<const Parameter> parameters) {
    owned.reserve(parameters.size());
    for (const Parameter& parameter : parameters) {
      if (parameter) {
        owned.emplace_back(*parameter);
        bytes += parameter->size();
      }
      pointers.push_back(parameter ? owned.back().c_str() : nullptr);
    }
  }
  int size() const { return static_cast<int>(pointers.size()); }
  std::vector<std::string> owned;
  std::vector<const char*> pointers;
  size_t bytes = 0;
};

}  // namespace

Result<Pipeline> Pipeline::Enter(Connection connection) {
  if (PQenterPipelineMode(connection.handle()) != 1) {
    return connection.LastError("cannot enter pipeline mode");
  }
  return Pipeline(std::move(connection));
}

// The name of the prepared statement; empty when there are too many of them.
Result<std::string> Pipeline::Prepared(const std::string& sql) {
  if (const auto found = names_.find(sql); found != names_.end()) return found->second;
  if (names_.size() >= kPreparedMax) return std::string();
  // Only a statement that the server has taken may be used by its name: this is waited for.
  TW_RETURN_IF_ERROR(Sync());
  std::string name = "tw" + std::to_string(names_.size());
  if (PQsendPrepare(connection_.handle(), name.c_str(), sql.c_str(), 0, nullptr) != 1) {
    return connection_.LastError("cannot send");
  }
  pending_.push_back({});
  TW_RETURN_IF_ERROR(Sync());
  names_.emplace(sql, name);
  return name;
}

Status Pipeline::Dispatch(const std::string& sql, std::span<const Parameter> parameters,
                          Pending pending) {
  if (connection_.broken()) return Fail(ErrorCode::kUnavailable, "the connection is lost");
  if (pending_.size() >= kPendingMax || pending_bytes_ >= kPendingBytesMax) {
    TW_RETURN_IF_ERROR(Sync());
  }
  TW_ASSIGN_OR_RETURN(const std::string name, Prepared(sql));
  const Texts texts(parameters);
  const int sent =
      name.empty()
          ? PQsendQueryParams(connection_.handle(), sql.c_str(), texts.size(), nullptr,
                              texts.pointers.data(), nullptr, nullptr, 0)
          : PQsendQueryPrepared(connection_.handle(), name.c_str(), texts.size(),
                                texts.pointers.data(), nullptr, nullptr, 0);
  if (sent != 1) return connection_.LastError("cannot send");
  pending_.push_back(pending);
  pending_bytes_ += texts.bytes;
  return {};
}

Status Pipeline::Send(const std::string& sql, std::span<const Parameter> parameters,
                      Expected expected) {
  return Dispatch(sql, parameters, {.expected = expected});
}

Result<Rows> Pipeline::Query(const std::string& sql, std::span<const Parameter> parameters) {
  TW_RETURN_IF_ERROR(Dispatch(sql, parameters, {.is_query = true}));
  return Collect();
}

Status Pipeline::Sync() {
  if (pending_.empty()) return {};
  TW_RETURN_IF_ERROR(Collect());
  return {};
}

Result<Rows> Pipeline::Collect() {
  PGconn* const handle = connection_.handle();
  ++round_trips_;
  std::optional<Error> error;
  const auto note = [&](Error failed) {
    if (!error) error = std::move(failed);
  };
  if (PQpipelineSync(handle) != 1) {
    pending_.clear();
    return connection_.LastError("cannot send");
  }
  Rows rows;
  for (const Pending& pending : pending_) {
    // A statement's results end with a null; of an aborted one comes a result that says so.
    while (PGresult* const result = PQgetResult(handle)) {
      const ExecStatusType status = PQresultStatus(result);
      if (status == PGRES_PIPELINE_ABORTED) {
        PQclear(result);
        continue;
      }
      Rows taken(result);
      if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        auto failed = ErrorOf(result, handle);
        if (!error) sqlstate_ = failed ? failed->sqlstate : "";
        note(failed ? std::move(failed->error) : connection_.LastError("").error());
        if (connection_.broken()) break;
      } else if (pending.is_query) {
        rows = std::move(taken);
      } else if (pending.expected == Expected::kOneRow && taken.affected() != 1) {
        note(Error{ErrorCode::kUnavailable, "the row was changed by somebody else meanwhile"});
      }
    }
    if (connection_.broken()) break;
  }
  pending_.clear();
  pending_bytes_ = 0;
  if (!connection_.broken()) {
    PGresult* const sync = PQgetResult(handle);
    const bool synced = sync != nullptr && PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
    if (sync != nullptr) PQclear(sync);
    if (!synced && !error) note(connection_.LastError("out of step").error());
  }
  if (connection_.broken() && !error) note(Error{ErrorCode::kUnavailable, "the connection is lost"});
  if (error) return std::unexpected(*std::move(error));
  return rows;
}

}  // namespace tw::postgres
