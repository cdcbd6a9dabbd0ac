#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace tw::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RegistryTest, RendersPrometheusText) {
  Registry registry;
  registry.GetCounter("tidewire_b_total", "Bees.", {{"kind", "honey"}}).Add(3);
  registry.GetCounter("tidewire_b_total", "Bees.", {{"kind", "honey"}}).Add();
  registry.GetGauge("tidewire_a", "Apples.").Set(-2);
  const std::string text = registry.Render();
  EXPECT_THAT(text, HasSubstr("# TYPE tidewire_b_total counter\n"
                              "tidewire_b_total{kind=\"honey\"} 4\n"));
  EXPECT_LT(text.find("tidewire_a -2"), text.find("tidewire_b_total"));
}

TEST(RegistryTest, HistogramBucketsAreCumulative) {
  Registry registry;
  auto& histogram = registry.GetHistogram("tidewire_h_seconds", "Times.");
  histogram.Observe(std::chrono::microseconds{50});
  histogram.Observe(std::chrono::milliseconds{2});
  histogram.Observe(std::chrono::seconds{60});
  const std::string text = registry.Render();
  EXPECT_THAT(text, HasSubstr("tidewire_h_seconds_bucket{le=\"5e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tidewire_h_seconds_bucket{le=\"0.0025\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("tidewire_h_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("tidewire_h_seconds_sum 60.00205\n"));
}

std::string g_lines;

// Abuse case 76: one event is one line, whatever is in a name.
TEST(LogTest, NothingEndsALineOrSteersATerminal) {
  g_lines.clear();
  SetLogSink([](std::string_view line) { g_lines += line; });
  SetLogFormat(LogFormat::kJson);
  Log(Level::kError, "Names", "m",
      {{"name", "\r\n\x7f\xc2\x85\xc2\x9b[2J\xe2\x80\xa8\xe2\x80\xa9\xc2\xa0\xc3\xa9\xe2\x80\x94"}});
  EXPECT_THAT(g_lines, HasSubstr("\"name\":\"\\u000d\\u000a\\u007f\\u0085\\u009b[2J\\u2028\\u2029"
                                 "\xc2\xa0\xc3\xa9\xe2\x80\x94\""));
  SetLogSink(nullptr);
}

TEST(LogTest, EscapesAndThrottles) {
  g_lines.clear();
  SetLogSink([](std::string_view line) { g_lines += line; });
  SetLogFormat(LogFormat::kJson);
  for (int i = 0; i < 100; ++i) Log(Level::kInfo, "Repeated", "same");
  Log(Level::kWarning, "Evil", "a\nb", {{"name", "x\x1b[31m\""}, {"count", 7}});
  Log(Level::kDebug, "Hidden", "below the level");
  SetLogSink(nullptr);
  size_t lines = 0;
  for (size_t at = 0; (at = g_lines.find("Repeated", at)) != std::string::npos; ++at) ++lines;
  EXPECT_LE(lines, 40u);  // Two seconds' worth at most.
  EXPECT_THAT(g_lines, HasSubstr(R"("code":"Evil","message":"a\u000ab","name":"x\u001b[31m\"")"));
  EXPECT_THAT(g_lines, HasSubstr(R"("count":7})"));
  EXPECT_THAT(g_lines, Not(HasSubstr("Hidden")));
}

}  // namespace
}  // namespace tw::telemetry
