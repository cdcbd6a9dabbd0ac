#include "cli/source_reference.h"

#include "config/generate.h"
#include "ingest/mapping/functions.h"
#include "ingest/source_shape.h"
#include "ingest/webhook/presets.h"

namespace tw::cli {
namespace {

constexpr std::string_view kIntroduction =
    R"(A source file describes one outside system: who may send webhooks, what each event means, and
which rows, facts and counters it becomes. The main file names it under `sources`; the name there is
the `source` in the file. Its endpoint is `webhook.path`, below `/hooks/`. `tidewire check` compiles
it against the tables. Editors can use [schema/source.schema.json](schema/source.schema.json).

A whole one, with comments: [examples/outreach/outreach.yaml](../examples/outreach/outreach.yaml).
Kinds of values are those of [config.md](config.md). `${secret.NAME}` in `webhook.authenticate`
stands for an entry of `secrets`. Environment variables override nothing here.

)";

constexpr std::string_view kExpressions =
    R"(
## Expressions

| Form | Meaning |
|---|---|
| `$.data.lead.email` | a path from the event; `$parent` is the object around it. Steps: `.name`, `['name']`, `[0]`, `[-1]`, `[*]`, `[?condition]` |
| `@.name` | the element, inside a `[?…]` filter |
| `lead_id` | a field of this file, or `tenant.id`, `tenant.name`, `tenant.timezone`, `channel`, `at` where there is one |
| `'mtd'`, `"mtd"`, `12`, `true` | literals. In YAML a text literal needs quotes twice: `"'mtd'"` |
| `$.a \| lower \| trim` | stages, from left to right. `lower($.a)` is the same |
| `a == b`, `a != b`, `a in (b, c)`, `not`, `and`, `or`, `( )` | conditions |
| `[$.a, $.b]` (a YAML list) | the first that is not null |

Evaluation always ends. What is missing or of the wrong type gives null. Integers and decimals are
exact.

### Functions

The first argument of a stage is its input.

| Name | Arguments | As a stage | Given a list | Gives |
|---|---|---|---|---|
)";

constexpr std::string_view kNames =
    R"(
### Names in columns

Where a column's value is asked for, these work beside expressions:

| Name | Value |
|---|---|
| `tenant.id`, `tenant.name` | the tenant as the registry has it |
| `now()` | the time of the transaction |
| `channel` | `webhook` |
| `webhook_now` | `now()` for a webhook; other channels leave the column as it is |
| `poll_now` | `now()` for other channels; a webhook leaves the column as it is |

## Authentication schemes

`scheme` names one of these; the keys beside it change a part of it. A scheme that signs the body
proves it: such a delivery is accepted unread, and a malformed one ends as a dead letter. The others
prove nothing about the body, so it must be JSON, or the answer is 400.

| Scheme | Credential | Signed text | Replay window |
|---|---|---|---|
)";

std::string Arguments(const ingest::mapping::Signature& signature) {
  const std::string least = std::to_string(signature.arguments_min);
  if (signature.arguments_min == signature.arguments_max) return least;
  return least + " to " + std::to_string(signature.arguments_max);
}

std::string_view Meaning(ingest::mapping::Function function) {
  using enum ingest::mapping::Function;
  switch (function) {
    case kLower: return "ASCII letters in lower case";
    case kUpper: return "ASCII letters in upper case";
    case kTrim: return "the text without white space at its ends";
    case kInt: return "an integer, from text, decimal without fraction, or boolean";
    case kDecimal: return "an exact decimal, from number or text";
    case kBool: return "a boolean, from true/t/yes/on/1 and false/f/no/off/0 in any case";
    case kFirst: return "the first item that is not null";
    case kSum: return "the sum of numbers; nulls and empty texts are skipped";
    case kJoin: return "`join(list, sep)`: text; nulls are skipped";
    case kHash: return "SHA-256 as 64 hex digits; of several arguments as a whole";
    case kTime:
      return "`time(x, format[, zone])`: a UTC time. Formats: 'rfc3339', 'unix', 'unix_ms', or "
             "strftime's letters; zone: a name of the tz database, or `tenant`";
    case kDefault: return "`default(x, y)`: y when x is null";
    case kMatch: return "`match(x, re2)`: the first group, or the whole match";
    case kFormat: return "`format('{}/{}', a, b)`: text; null when an argument is null";
    case kNow: return "the time of the transaction";
    case kMonthStart: return "the local date of the first of the month, in the tenant's zone";
    case kColumn: return "`col('Name')`: a CSV column; no source has one yet";
  }
  return {};
}

std::string FunctionRows() {
  std::string out;
  for (const auto& signature : ingest::mapping::kSignatures) {
    out += "| `" + std::string(signature.name) + "` | " + Arguments(signature) + " | " +
           (signature.is_stage ? "yes" : "no") + " | " +
           (signature.maps_lists ? "each item" : "") + " | " +
           std::string(Meaning(signature.function)) + " |\n";
  }
  return out;
}

std::string Credential(const ingest::Scheme& scheme) {
  using Kind = ingest::Scheme::Kind;
  switch (scheme.kind) {
    case Kind::kHmac:
    case Kind::kEdwards: return "signature in `" + scheme.header + "`";
    case Kind::kToken: return "token in `" + scheme.header + "`";
    case Kind::kBasic: return "user and password in `" + scheme.header + "`";
    case Kind::kPathToken: return "token in the path";
    case Kind::kNone: return "none";
  }
  return {};
}

std::string SchemeRows() {
  std::string out;
  for (const ingest::Scheme& scheme : ingest::Presets()) {
    const bool signs = scheme.Signs();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(scheme.tolerance).count();
    out += "| `" + scheme.name + "` | " + Credential(scheme) + " | " +
           (signs ? "`" + scheme.message + "`" : std::string()) + " | " +
           (seconds > 0 ? std::to_string(seconds) + " s" : std::string()) + " |\n";
  }
  return out;
}

}  // namespace

std::string SourceReference() {
  std::string out(kIntroduction);
  out += "## Top level\n\n" + config::MarkdownReference(ingest::SourceShape(), 2);
  out += kExpressions;
  out += FunctionRows();
  out += kNames;
  out += SchemeRows();
  return out;
}

}  // namespace tw::cli
