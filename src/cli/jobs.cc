#include "cli/jobs.h"

#include <cstdio>
#include <vector>

#include "base/strings.h"
#include "cli/operator_database.h"
#include "json/json.h"

namespace tw::cli {
namespace {

struct Job {
  std::string name;
  std::string active;
  std::string schedule;
  std::string last_run;
  std::string last_status;
  std::string next_run;
};

Result<std::string> TableOf(OperatorDatabase& database) {
  auto table =
      database.Query("select value from " + database.Own("state") + " where key = 'jobs_table'", {});
  if (table.ok() && !table->empty()) return table->front()[0];
  return Fail(ErrorCode::kFailedPrecondition,
              "no source of this server has streams, so nothing is scheduled");
}

Result<std::vector<Job>> ReadJobs(OperatorDatabase& database, const std::string& table) {
  TW_ASSIGN_OR_RETURN(const StringSet columns, database.Columns(table));
  std::string sql = "select job_name, is_active";
  for (const char* column : {"schedule", "last_run_at", "last_status", "next_run_at"}) {
    sql += columns.contains(column) ? std::string(", ") + column : ", null";
  }
  TW_ASSIGN_OR_RETURN(const auto rows,
                      database.Query(sql + " from " + database.Quoted(table) + " order by job_name",
                                     {}));
  std::vector<Job> jobs;
  for (const auto& row : rows) {
    const bool paused = row[1] == "0" || row[1] == "false" || row[1] == "f";
    jobs.push_back({row[0], paused ? "no" : "yes", row[2], row[3], row[4], row[5]});
  }
  return jobs;
}

void Print(const std::vector<Job>& jobs, Format format) {
  if (format == Format::kJson) {
    json::Writer writer;
    writer.Array();
    for (const Job& job : jobs) {
      writer.Object().Key("job_name").String(job.name).Key("is_active").Bool(job.active == "yes");
      writer.Key("schedule").String(job.schedule).Key("last_run_at").String(job.last_run);
      writer.Key("last_status").String(job.last_status).Key("next_run_at").String(job.next_run);
      writer.End();
    }
    writer.End();
    std::printf("%s\n", writer.Take().c_str());
    return;
  }
  std::printf("%-34s %-6s %-16s %-24s %-10s %s\n", "job", "active", "schedule", "last run", "status",
              "next run");
  for (const Job& job : jobs) {
    std::printf("%-34s %-6s %-16s %-24s %-10s %s\n", job.name.c_str(), job.active.c_str(),
                job.schedule.c_str(), job.last_run.c_str(), job.last_status.c_str(),
                job.next_run.c_str());
  }
}

Status MustExist(const std::vector<Job>& jobs, const std::string& name) {
  std::vector<std::string_view> names;
  for (const Job& job : jobs) {
    if (job.name == name) return {};
    names.push_back(job.name);
  }
  std::string message = "no job '" + name + "'";
  if (const auto nearest = Nearest(name, names)) {
    message += "; did you mean '" + std::string(*nearest) + "'?";
  }
  return Fail(ErrorCode::kNotFound, message);
}

Status Switch(OperatorDatabase& database, const std::string& table, const std::string& name,
              const char* active) {
  TW_RETURN_IF_ERROR(database.Query("update " + database.Quoted(table) +
                                        " set is_active = $1 where job_name = $2",
                                    {active, name}));
  return {};
}

Status Do(const JobsArguments& arguments) {
  TW_ASSIGN_OR_RETURN(const auto opened,
                      OperatorDatabase::Open(arguments.data_directory, arguments.config));
  OperatorDatabase& database = *opened;
  TW_ASSIGN_OR_RETURN(const std::string table, TableOf(database));
  TW_ASSIGN_OR_RETURN(const auto jobs, ReadJobs(database, table));
  if (arguments.verb == JobsVerb::kList) {
    Print(jobs, arguments.format);
    return {};
  }
  TW_RETURN_IF_ERROR(MustExist(jobs, arguments.name));
  std::string result;
  switch (arguments.verb) {
    case JobsVerb::kList:
      break;
    case JobsVerb::kRun: {
      TW_ASSIGN_OR_RETURN(result, database.AskServer("run", arguments.name));
      break;
    }
    case JobsVerb::kPause:
      TW_RETURN_IF_ERROR(Switch(database, table, arguments.name, "0"));
      result = "paused";
      break;
    case JobsVerb::kResume:
      TW_RETURN_IF_ERROR(Switch(database, table, arguments.name, "1"));
      result = "resumed";
      break;
  }
  if (arguments.format == Format::kJson) {
    json::Writer writer;
    writer.Object().Key("job_name").String(arguments.name).Key("result").String(result).End();
    std::printf("%s\n", writer.Take().c_str());
  } else {
    std::printf("%s: %s\n", arguments.name.c_str(), result.c_str());
  }
  if (result == "failed") return Fail(ErrorCode::kUnavailable, "the job failed");
  return {};
}

}  // namespace

ExitCode RunJobs(const JobsArguments& arguments) {
  const Status done = Do(arguments);
  return done.ok() ? ExitCode::kOk
                   : PrintError(arguments.format, done.error(), ExitCodeOf(done.error()));
}

}  // namespace tw::cli
