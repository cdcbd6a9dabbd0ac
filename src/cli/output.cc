#include "cli/output.h"

#include <cstdio>

#include "json/json.h"

namespace tw::cli {

ExitCode PrintError(Format format, const Error& error, ExitCode code) {
  if (format == Format::kJson) {
    json::Writer writer;
    writer.Object().Key("error").String(error.message);
    writer.Key("code").String(ToString(error.code)).End();
    std::fprintf(stderr, "%s\n", writer.Take().c_str());
  } else {
    std::fprintf(stderr, "tidewire: %s\n", error.message.c_str());
  }
  return code;
}

ExitCode Finish(Format format, const Status& done) {
  if (done.ok()) return ExitCode::kOk;
  const bool usage = done.error().code == ErrorCode::kInvalidArgument;
  return PrintError(format, done.error(), usage ? ExitCode::kUsage : ExitCodeOf(done.error()));
}

ExitCode ExitCodeOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound: return ExitCode::kConfig;
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied: return ExitCode::kAuth;
    default: return ExitCode::kRuntime;
  }
}

ExitCode ExitCodeOfReaching(const Error& error) {
  return error.code == ErrorCode::kUnavailable ? ExitCode::kUnreachable : ExitCodeOf(error);
}

}  // namespace tw::cli
