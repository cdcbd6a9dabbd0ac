// Recovery and reading of arbitrary segment files: never a crash, never bytes beyond the file, and
// a log that works afterwards.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "changelog/segment_log.h"
#include "io/sim_file_system.h"
#include "telemetry/log.h"

namespace tw::changelog {
namespace {

const SegmentLogOptions kOptions{.name = "fuzz",
                                 .segment_bytes = 16'384,
                                 .allocation_step_bytes = 1'024,
                                 .record_bytes_max = 4'096,
                                 .bytes_max = 1 << 20,
                                 .free_percent_min = 0};

// Records can hardly be guessed, so the input is what follows a sound header and record, with a
// choice of the record's fields: the fuzzer gets past the checksum.
std::string MakeSegment(std::string_view input) {
  SegmentHeader header{7, 1};
  std::string bytes = EncodeSegmentHeader(header);
  RecordLink link{0, header.crc, 5, 0};
  while (input.size() >= 4) {
    const auto at = [&](size_t i) { return static_cast<unsigned char>(input[i]); };
    const size_t length = std::min<size_t>(at(0), input.size() - 4);
    link.sequence += at(1) < 240 ? 1 : at(1) - 240u;
    link.group_index = at(2) & 7;
    const uint32_t crc = AppendRecord(bytes, header, link, {input.substr(4, length), at(3), 0});
    link.chain = at(1) == 239 ? 0 : crc;
    input.remove_prefix(4 + length);
  }
  return bytes.append(input);
}

void Try(std::string_view first, std::string_view second) {
  SeededRandom random(1);
  testing::SimStorage disk(random);
  const auto files = io::MakeSimFileSystem(disk);
  telemetry::Registry metrics;
  TW_CHECK(files->CreateDirectory("log").ok());
  for (const auto& [sequence, bytes] : {std::pair{uint64_t{1}, first}, {uint64_t{4}, second}}) {
    if (bytes.empty()) continue;
    auto file = files->Open("log/" + SegmentName(sequence), io::FileSystem::OpenMode::kCreate);
    TW_CHECK(file.ok() && (*file)->WriteAt(0, bytes).ok());
  }
  uint64_t head = 0;
  for (int round = 0; round < 2; ++round) {
    auto log = SegmentLog::Open(*files, "log", random, metrics, kOptions);
    TW_CHECK(log.ok() && (*log)->head() >= head);
    for (uint64_t from = (*log)->tail(); from <= (*log)->head();) {
      const auto batch = (*log)->Read(from, 1'000);
      TW_CHECK(batch.ok() && (!batch->empty() || batch->missing() > 0));
      from = batch->empty() ? (*log)->head() + 1 : batch->back().sequence + 1;
    }
    const Payload payload{"after"};
    const auto last = (*log)->Append({&payload, 1});
    TW_CHECK(last.ok());
    head = *last;
    TW_CHECK((*log)->Read(head, 1)->front().payload == "after");
  }
}

}  // namespace
}  // namespace tw::changelog

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tw::telemetry::SetLogSink([](std::string_view) {});
  const std::string_view input(reinterpret_cast<const char*>(data), std::min<size_t>(size, 8'192));
  tw::changelog::Try(input, "");
  tw::changelog::Try(tw::changelog::MakeSegment(input), "");
  tw::changelog::Try(tw::changelog::MakeSegment(input), input);
  return 0;
}
