#include "telemetry/metrics.h"

#include <algorithm>
#include <cstdio>

#include "base/check.h"

namespace tw::telemetry {
namespace {

std::string LabelText(const Labels& labels, std::string_view extra = {}) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += (text.empty() ? "" : ",") + name + "=\"" + value + "\"";
  }
  if (!extra.empty()) text += (text.empty() ? "" : ",") + std::string(extra);
  return text.empty() ? "" : "{" + text + "}";
}

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return text;
}

}  // namespace

void Histogram::Observe(std::chrono::nanoseconds duration) {
  const double seconds = static_cast<double>(duration.count()) * 1e-9;
  const size_t bucket =
      std::ranges::lower_bound(kBounds, seconds) - std::ranges::begin(kBounds);
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<uint64_t>(std::max<int64_t>(0, duration.count())),
                         std::memory_order_relaxed);
}

Counter& Registry::GetCounter(std::string_view name, std::string_view help, Labels labels) {
  return Get(Kind::kCounter, name, help, std::move(labels)).counter;
}

Gauge& Registry::GetGauge(std::string_view name, std::string_view help, Labels labels) {
  return Get(Kind::kGauge, name, help, std::move(labels)).gauge;
}

Histogram& Registry::GetHistogram(std::string_view name, std::string_view help, Labels labels) {
  return *Get(Kind::kHistogram, name, help, std::move(labels)).histogram;
}

Registry::Metric& Registry::Get(Kind kind, std::string_view name, std::string_view help,
                                Labels labels) {
  const std::lock_guard lock(mutex_);
  auto family = std::ranges::find(families_, name, &Family::name);
  if (family == families_.end()) {
    families_.push_back({std::string(name), std::string(help), kind, {}});
    family = std::prev(families_.end());
  }
  TW_CHECK(family->kind == kind);
  const auto metric = std::ranges::find(family->metrics, labels, &Metric::labels);
  if (metric != family->metrics.end()) return *metric;
  Metric& created = family->metrics.emplace_back();
  created.labels = std::move(labels);
  if (kind == Kind::kHistogram) created.histogram = std::make_unique<Histogram>();
  return created;
}

std::vector<const Registry::Family*> Registry::Sorted() const {
  std::vector<const Family*> sorted;
  for (const Family& family : families_) sorted.push_back(&family);
  std::ranges::sort(sorted, {}, &Family::name);
  return sorted;
}

std::string Registry::Render() const {
  static constexpr const char* kKinds[] = {"counter", "gauge", "histogram"};
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const Family* family : Sorted()) {
    out += "# HELP " + family->name + " " + family->help + "\n# TYPE " + family->name + " " +
           kKinds[static_cast<int>(family->kind)] + "\n";
    for (const Metric& metric : family->metrics) {
      if (family->kind != Kind::kHistogram) {
        out += family->name + LabelText(metric.labels) + " " +
               (family->kind == Kind::kCounter ? std::to_string(metric.counter.value())
                                               : std::to_string(metric.gauge.value())) +
               "\n";
        continue;
      }
      uint64_t total = 0;
      for (size_t i = 0; i <= std::size(Histogram::kBounds); ++i) {
        total += metric.histogram->buckets_[i].load(std::memory_order_relaxed);
        const std::string bound =
            i < std::size(Histogram::kBounds) ? Number(Histogram::kBounds[i]) : "+Inf";
        out += family->name + "_bucket" + LabelText(metric.labels, "le=\"" + bound + "\"") + " " +
               std::to_string(total) + "\n";
      }
      const double seconds =
          static_cast<double>(metric.histogram->nanoseconds_.load(std::memory_order_relaxed)) *
          1e-9;
      out += family->name + "_sum" + LabelText(metric.labels) + " " + Number(seconds) + "\n";
      out += family->name + "_count" + LabelText(metric.labels) + " " + std::to_string(total) +
             "\n";
    }
  }
  return out;
}

std::string Registry::RenderReference() const {
  static constexpr const char* kKinds[] = {"counter", "gauge", "histogram"};
  const std::lock_guard lock(mutex_);
  std::string out = "| Name | Kind | Labels | Meaning |\n|---|---|---|---|\n";
  for (const Family* family : Sorted()) {
    std::string labels;
    for (const Metric& metric : family->metrics) {
      for (const auto& [name, value] : metric.labels) {
        const std::string pair = "`" + name + "=" + value + "`";
        if (labels.find(pair) == std::string::npos) labels += (labels.empty() ? "" : " ") + pair;
      }
    }
    out += "| `" + family->name + "` | " + kKinds[static_cast<int>(family->kind)] + " | " + labels +
           " | " + family->help + " |\n";
  }
  return out;
}

}  // namespace tw::telemetry
