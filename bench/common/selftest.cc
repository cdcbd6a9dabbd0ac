// Checks of the parts whose mistakes would falsify figures without being seen. Exits 1 on the
// first.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/common/histogram.h"
#include "bench/common/phoenix.h"
#include "bench/common/sequence_tracker.h"
#include "bench/common/webhook_body.h"
#include "bench/common/websocket.h"

namespace tw::bench {
namespace {

void Expect(bool holds, const char* fact) {
  if (holds) return;
  std::fprintf(stderr, "bench: selftest: not so: %s\n", fact);
  std::exit(1);
}

void TrackerCountsLossesAndDuplicates() {
  using Verdict = SequenceTracker::Verdict;
  SequenceTracker tracker;
  Expect(tracker.See(0) == Verdict::kInOrder, "0 comes first");
  Expect(tracker.See(0) == Verdict::kDuplicate, "0 again is a duplicate");
  Expect(tracker.See(3) == Verdict::kAfterGap, "3 after 0 leaves a gap");
  Expect(tracker.Missing(4) == 2, "1 and 2 are missing");
  Expect(tracker.See(2) == Verdict::kReordered, "2 comes late");
  Expect(tracker.See(2) == Verdict::kDuplicate, "2 again is a duplicate");
  Expect(tracker.Missing(4) == 1, "1 is missing");
  Expect(tracker.Missing(6) == 3, "1, 4 and 5 are missing");
  for (uint32_t i = 4; i < 200; ++i) Expect(tracker.See(i) == Verdict::kInOrder, "in order");
  Expect(tracker.Missing(200) == 1, "1 stays missing");
  Expect(tracker.See(500) == Verdict::kAfterGap, "500 after 199 leaves a gap");
  Expect(tracker.Missing(501) == 301, "1 and 200 to 499 are missing");
  for (uint32_t i = 501; i < 3000; ++i) tracker.See(i);
  Expect(tracker.Missing(3000) == 301, "what left the window unseen stays missing");
  Expect(tracker.See(2000) == Verdict::kDuplicate, "an old number again is a duplicate");
  Expect(tracker.See(9000) == Verdict::kAfterGap, "a gap wider than the window");
  Expect(tracker.Missing(9001) == 301 + 6000, "all of the gap is missing");
  Expect(tracker.See(8500) == Verdict::kReordered, "within the window it may still come");
  Expect(tracker.Missing(9001) == 301 + 5999, "and is then no longer missing");
}

void HistogramIsRightToTwoPercent() {
  Histogram histogram;
  for (uint64_t i = 1; i <= 100'000; ++i) histogram.Record(i * 1000);
  for (const double share : {0.01, 0.5, 0.99, 0.999}) {
    const double wanted = share * 1e8;
    const auto got = static_cast<double>(histogram.Quantile(share));
    Expect(got >= wanted && got <= wanted * 1.02, "a quantile is within 2 %");
  }
  Expect(histogram.Quantile(1) == 100'000'000, "the last quantile is the maximum");
  Expect(Histogram().Quantile(0.5) == 0, "an empty histogram gives 0");
}

void StampsSurvive() {
  const BroadcastTemplate message = MakeBroadcast("bench", 256);
  Expect(message.text.size() == 256, "a broadcast has the size asked for");
  std::string text = message.text;
  WriteStamp({42, 12345678901234}, text.data() + message.stamp_offset);
  size_t hint = 3;
  const auto stamp = FindStamp(text, hint);
  Expect(stamp && stamp->sequence == 42 && stamp->sent_ns == 12345678901234, "a stamp is found");
  Expect(hint == message.stamp_offset, "the hint is updated");
  Expect(!FindStamp("[null,null,\"tw~no stamp\"]", hint), "other text has no stamp");
}

void FramesRoundTrip() {
  Expect(AcceptFor(kHandshakeKey) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "RFC 6455 §1.3 example");
  for (const size_t size : {0, 1, 125, 126, 65'535, 65'536}) {
    const std::string payload(size, 'p');
    std::string frame = EncodeClientFrame(Opcode::kText, payload);
    Expect(ScanFrame(frame.data(), frame.size() - 1).size == 0, "a cut frame is incomplete");
    const FrameView view = ScanFrame(frame.data(), frame.size());
    Expect(view.size == frame.size() && view.mask != nullptr, "a client frame is masked");
    ApplyMask(view.mask, frame.data() + view.payload_offset, size);
    Expect(frame.substr(view.payload_offset) == payload, "unmasking gives the payload");
    const std::string plain = EncodeServerFrame(Opcode::kText, payload);
    Expect(ScanFrame(plain.data(), plain.size()).payload_size == size, "a server frame");
  }
}

void BodiesAreRealistic() {
  for (size_t i = 0; i < kEventTypes; ++i) {
    const auto type = static_cast<EventType>(i);
    const std::string body = MakeWebhookBody(type, kWorkspaces[0], 7, {1, 2});
    Expect(body.size() >= 600 && body.size() <= 720, "a body has 600 to 720 bytes");
    Expect(body == MakeWebhookBody(type, kWorkspaces[0], 7, {1, 2}), "a body is deterministic");
  }
  // The example of the Standard Webhooks specification fixes the header's shape, not a fixed time.
  const std::string headers =
      WebhookSigner("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").Headers(1, "{}");
  Expect(headers.starts_with("webhook-id: msg_1\r\nwebhook-timestamp: "), "signature headers");
  Expect(headers.find("webhook-signature: v1,") != headers.npos, "a v1 signature");
}

}  // namespace
}  // namespace tw::bench

int main() {
  tw::bench::TrackerCountsLossesAndDuplicates();
  tw::bench::HistogramIsRightToTwoPercent();
  tw::bench::StampsSurvive();
  tw::bench::FramesRoundTrip();
  tw::bench::BodiesAreRealistic();
  std::puts("bench selftest: ok");
}
