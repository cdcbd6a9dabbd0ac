// A downloaded CSV file, read in pieces so that memory stays flat. Private to ingest/poll.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ingest/poll/csv_reader.h"
#include "ingest/poll/stream_run.h"

namespace tw::ingest {

class StreamRun::File {
 public:
  File(std::string path, const CsvConfig& config, const Source& source, const StreamPlan& plan);
  // Removes the file.
  ~File();

  // The next rows, at most about a thousand; `rows_before`: rows of the last file. The first call
  // reads the whole file once to judge it: nothing of a file that is refused is applied.
  // Errors: kFailedPrecondition (refused: shrunk, too short, too many bad rows, columns missing);
  // kInvalidArgument (no CSV); kInternal (disk).
  Result<std::vector<CsvRow>> Read(uint64_t rows_before);
  bool done() const { return done_; }
  // What is worth a note although the run succeeded: unknown columns, bad rows.
  std::string remarks() const;

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  Status Open();
  Status ReadSome(std::vector<CsvReader::Row>& rows);
  Status TakeHeader(std::vector<CsvReader::Row>& rows);
  // nullopt: a bad row.
  std::optional<CsvRow> Convert(CsvReader::Row&& raw);
  Status Inspect(uint64_t rows_before);

  const std::string path_;
  const CsvConfig& config_;
  std::vector<std::string> wanted_;  // Columns that expressions name.
  std::unique_ptr<std::FILE, Closer> file_;
  std::unique_ptr<CsvReader> reader_;
  std::shared_ptr<const CsvHeader> header_;
  bool first_piece_ = true;
  bool inspected_ = false;
  bool at_end_ = false;
  bool done_ = false;
  uint64_t rows_ = 0;
  uint64_t bad_rows_ = 0;
  std::string first_bad_;
  std::string unknown_;
};

}  // namespace tw::ingest
