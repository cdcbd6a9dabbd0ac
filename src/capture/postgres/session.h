// For this room's postgres_capture.cc and postgres_stream.cc: one connection's life.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "capture/postgres/postgres_capture.h"

namespace tw::capture {

struct PostgresCapture::Session {
  Session(postgres::Connection connection, postgres::ReplicationStream replication,
          ShapeRegistry& shapes, io::FileSystem& files, const AssemblerLimits& limits)
      : sql(std::move(connection)),
        stream(std::move(replication)),
        book(shapes, types),
        assembler(files, "changes/spill", limits) {}

  postgres::Connection sql;
  postgres::ReplicationStream stream;
  TypeBook types;
  RelationBook book;
  Assembler assembler;
  postgres::Lsn after;        // The stream begins behind it.
  postgres::Lsn received;     // Everything before it has been taken from the stream and handled.
  postgres::Lsn server_end;   // As the server last told.
  std::chrono::milliseconds status_interval{10'000};
  MonoTime next_status{};
  MonoTime next_tick{};
  MonoTime next_mark{};
  MonoTime next_guard{};
  postgres::Lsn reported;

  // The commit that is being handled.
  postgres::Begin begin;
  CommitInfo info;
  uint64_t changes = 0;       // Of it, in all.
  uint64_t number = 0;        // Of the last change seen.
  uint64_t skip = 0;          // Changes that were published before the connection was lost.
  std::shared_ptr<Batch> batch;
  std::vector<std::string> mutations;  // Its ids.
};

}  // namespace tw::capture
