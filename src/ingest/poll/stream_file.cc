#include "ingest/poll/stream_file.h"

#include <algorithm>

#include "base/strings.h"

namespace tw::ingest {
namespace {

constexpr size_t kPieceBytes = 64u << 10;

void AddColumns(const mapping::Expression& expression, std::vector<std::string>& columns) {
  const auto& named = expression.reads().columns;
  columns.insert(columns.end(), named.begin(), named.end());
}

}  // namespace

StreamRun::File::File(std::string path, const CsvConfig& config, const Source& source,
                      const StreamPlan& plan)
    : path_(std::move(path)), config_(config) {
  for (const uint16_t index : plan.observes) {
    const EventPlan& event = source.event_plans[index];
    for (const EventPlan::Field& field : event.fields) AddColumns(field.expression, wanted_);
    if (event.occurred_at) AddColumns(*event.occurred_at, wanted_);
    if (event.condition) AddColumns(*event.condition, wanted_);
    for (const uint16_t table : event.upserts) {
      for (const auto* list : {&source.tables[table].key, &source.tables[table].set,
                               &source.tables[table].insert_only}) {
        for (const ColumnBinding& column : *list) AddColumns(column.value.expression, wanted_);
      }
    }
  }
  std::ranges::sort(wanted_);
  const auto repeated = std::ranges::unique(wanted_);
  wanted_.erase(repeated.begin(), repeated.end());
}

StreamRun::File::~File() {
  file_.reset();
  (void)std::remove(path_.c_str());
}

Status StreamRun::File::Open() {
  file_.reset(std::fopen(path_.c_str(), "rbe"));
  // An empty answer leaves no file behind.
  if (file_ == nullptr) at_end_ = true;
  reader_ = std::make_unique<CsvReader>(config_.delimiter[0]);
  header_.reset();
  first_piece_ = true;
  at_end_ = file_ == nullptr;
  return {};
}

Status StreamRun::File::ReadSome(std::vector<CsvReader::Row>& rows) {
  if (file_ != nullptr) {
    char bytes[kPieceBytes];
    const size_t got = std::fread(bytes, 1, sizeof(bytes), file_.get());
    std::string_view piece(bytes, got);
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (std::exchange(first_piece_, false) && piece.starts_with(kByteOrderMark)) {
      piece.remove_prefix(kByteOrderMark.size());
    }
    TW_RETURN_IF_ERROR(reader_->Feed(piece, rows));
    if (got == sizeof(bytes)) return {};
    if (std::ferror(file_.get()) != 0) return Fail(ErrorCode::kInternal, "cannot read the file");
  }
  at_end_ = true;
  return reader_->Finish(rows);
}

Status StreamRun::File::TakeHeader(std::vector<CsvReader::Row>& rows) {
  if (header_ != nullptr || rows.empty()) return {};
  auto header = std::make_shared<CsvHeader>();
  for (size_t i = 0; i < rows.front().values.size(); ++i) {
    std::string name = std::to_string(i + 1);
    if (config_.header) {
      TW_ASSIGN_OR_RETURN(name, DecodeCsvText(std::string(Trim(rows.front().values[i])),
                                              config_.encoding));
    }
    if (!header->index.emplace(name, i).second) {
      return Fail(ErrorCode::kFailedPrecondition, "column '" + name + "' is there twice");
    }
    header->names.push_back(std::move(name));
  }
  if (config_.header) rows.erase(rows.begin());
  std::string missing;
  for (const std::string& name : wanted_) {
    if (!header->index.contains(name)) missing += (missing.empty() ? "" : ", ") + name;
  }
  if (!missing.empty() && config_.missing_columns == MissingColumns::kError) {
    return Fail(ErrorCode::kFailedPrecondition, "columns are missing: " + missing);
  }
  unknown_.clear();
  for (const std::string& name : header->names) {
    if (!std::ranges::binary_search(wanted_, name)) {
      unknown_ += (unknown_.empty() ? "" : ", ") + name;
    }
  }
  if (!unknown_.empty() && config_.unknown_columns == UnknownColumns::kError) {
    return Fail(ErrorCode::kFailedPrecondition, "unknown columns: " + unknown_);
  }
  header_ = std::move(header);
  return {};
}

std::optional<CsvRow> StreamRun::File::Convert(CsvReader::Row&& raw) {
  const auto bad = [&](const std::string& why) {
    ++bad_rows_;
    if (first_bad_.empty()) first_bad_ = "line " + std::to_string(raw.line) + ": " + why;
    return std::nullopt;
  };
  if (raw.values.size() != header_->names.size()) {
    return bad(std::to_string(raw.values.size()) + " values for " +
               std::to_string(header_->names.size()) + " columns");
  }
  CsvRow row;
  row.header = header_;
  row.line = raw.line;
  for (std::string& value : raw.values) {
    if (config_.trim) value = std::string(Trim(value));
    auto text = DecodeCsvText(std::move(value), config_.encoding);
    if (!text.ok()) return bad(text.error().message);
    const bool null = std::ranges::find(config_.null_values, *text) != config_.null_values.end();
    row.values.push_back(null ? std::nullopt : std::optional(*std::move(text)));
  }
  return row;
}

Status StreamRun::File::Inspect(uint64_t rows_before) {
  TW_RETURN_IF_ERROR(Open());
  uint64_t rows = 0;
  while (!at_end_ || header_ == nullptr) {
    std::vector<CsvReader::Row> raw;
    TW_RETURN_IF_ERROR(ReadSome(raw));
    TW_RETURN_IF_ERROR(TakeHeader(raw));
    for (CsvReader::Row& row : raw) {
      ++rows;
      (void)Convert(std::move(row));
    }
    if (at_end_) break;
  }
  const auto refuse = [](std::string text) {
    return Fail(ErrorCode::kFailedPrecondition, std::move(text));
  };
  if (header_ == nullptr && config_.header) return refuse("the file is empty");
  if (rows < config_.min_rows) {
    return refuse(std::to_string(rows) + " rows, fewer than " + std::to_string(config_.min_rows));
  }
  const auto share = [](uint64_t part, uint64_t whole) {
    return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  };
  if (share(bad_rows_, rows) > config_.bad_row.abort_above.value) {
    return refuse(std::to_string(bad_rows_) + " of " + std::to_string(rows) +
                  " rows are bad; " + first_bad_);
  }
  if (config_.max_shrink && rows < rows_before &&
      share(rows_before - rows, rows_before) > config_.max_shrink->value) {
    return refuse("the file shrank from " + std::to_string(rows_before) + " to " +
                  std::to_string(rows) + " rows");
  }
  bad_rows_ = 0;
  return Open();
}

Result<std::vector<CsvRow>> StreamRun::File::Read(uint64_t rows_before) {
  if (!std::exchange(inspected_, true)) TW_RETURN_IF_ERROR(Inspect(rows_before));
  std::vector<CsvRow> rows;
  while (rows.empty() && !at_end_) {
    std::vector<CsvReader::Row> raw;
    TW_RETURN_IF_ERROR(ReadSome(raw));
    TW_RETURN_IF_ERROR(TakeHeader(raw));
    for (CsvReader::Row& row : raw) {
      if (auto converted = Convert(std::move(row))) rows.push_back(*std::move(converted));
    }
  }
  rows_ += rows.size();
  done_ = at_end_;
  return rows;
}

std::string StreamRun::File::remarks() const {
  std::string text;
  if (!unknown_.empty()) text = "unknown columns: " + unknown_;
  if (bad_rows_ > 0) {
    text += (text.empty() ? "" : "; ") + std::to_string(bad_rows_) + " bad rows; " + first_bad_;
  }
  return text;
}

}  // namespace tw::ingest
