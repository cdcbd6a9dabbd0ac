// `tidewire subscribe`: follows a table from the command line, one JSON line per change.
#pragma once

#include <cstdint>
#include <string>

#include "cli/output.h"

namespace tw::cli {

struct SubscribeArguments {
  std::string table;
  std::string url = "http://127.0.0.1:4000";
  std::string token;  // Empty: $TIDEWIRE_TOKEN.
  std::string apikey;
  std::string ca_file;
  std::string schema = "public";
  std::string event = "*";
  std::string filter;
  std::string since;
  // Where the position is kept; read at the start, unless `since` is given.
  std::string position_file;
  uint64_t count = 0;         // Ends after so many changes; 0: never.
  uint32_t attempts_max = 0;  // Ends after so many failures in a row; 0: never.
  bool fail_on_gap = false;   // Ends when something was missed for good.
};

// Prints to standard output, flushed line by line:
//   {"type":"live","position":"E:n"}
//   {"type":"change","action":"INSERT","schema":…,"table":…,"position":…,"commit_timestamp":…,
//    "record":{…},"old_record":null}
//   {"type":"verdict","recovered":true,"reason":null}
// What the connection does goes to standard error.
// Returns kOk after `count` changes or at SIGINT and SIGTERM; kAuth for a key that is refused;
// kUnreachable after `attempts_max`; kDegraded for a gap with `fail_on_gap`; kRuntime for a table that
// the server refuses, or a position file that cannot be written; kUsage for wrong arguments.
ExitCode RunSubscribe(const SubscribeArguments& arguments, Format format);

}  // namespace tw::cli
