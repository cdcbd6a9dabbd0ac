// The program: parses the command line and runs a verb.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "app/config.h"
#include "cli/apply_verb.h"
#include "cli/check.h"
#include "cli/dead.h"
#include "cli/docs_verb.h"
#include "cli/doctor.h"
#include "cli/drain.h"
#include "cli/jobs.h"
#include "cli/gen.h"
#include "cli/output.h"
#include "cli/plan.h"
#include "cli/policy_verb.h"
#include "cli/revoke.h"
#include "cli/refused.h"
#include "cli/replay.h"
#include "cli/serve.h"
#include "cli/subscribe.h"
#include "cli/token.h"
#include "cli/try_verb.h"
#include "config/config.h"
#include "json/json.h"

namespace tw::cli {
namespace {

#ifndef TW_VERSION
#error "TW_VERSION comes from CMake"
#endif

ExitCode PrintVersion(Format format) {
  if (format == Format::kJson) {
    json::Writer writer;
    writer.Object().Key("version").String(TW_VERSION).Key("compiler").String(__VERSION__).End();
    std::printf("%s\n", writer.Take().c_str());
  } else {
    std::printf("tidewire %s\n", TW_VERSION);
  }
  return ExitCode::kOk;
}

void AddServeOptions(CLI::App& verb, ServeArguments& arguments) {
  verb.add_option("--config", arguments.config, "Main configuration file, or the directory of its tidewire.yaml");
  verb.add_option("--data", arguments.data_directory, "Data directory (default: ./data)");
  verb.add_option("--listen", arguments.listen,
                  "ADDRESS:PORT to listen on; port 0 picks one and prints it");
}

// `docs` and its references, one word each.
void AddDocs(CLI::App& program, DocsArguments& docs, const std::function<void()>& run) {
  auto* verb = program.add_subcommand("docs", "Print a reference, written from the program itself");
  verb->require_subcommand(1);
  const auto add = [&docs, &run](CLI::App& parent, const char* name, const char* help,
                                 Reference reference) {
    parent.add_subcommand(name, help)->callback([&docs, run, reference] {
      docs.reference = reference;
      run();
    });
  };
  add(*verb, "config", "Every key of the main file, Markdown", Reference::kConfig);
  add(*verb, "source", "Every key of a source file, Markdown", Reference::kSource);
  add(*verb, "metrics", "Every metric, Markdown", Reference::kMetrics);
  auto* schema = verb->add_subcommand("schema", "JSON Schema, for editors");
  schema->require_subcommand(1);
  add(*schema, "config", "Of the main file", Reference::kConfigSchema);
  add(*schema, "source", "Of a source file", Reference::kSourceSchema);
}

// `doctor`, and `init` with its kinds.
void AddPostgres(CLI::App& program, DoctorArguments& doctor, InitPostgresArguments& init,
                 const std::function<void()>& run_doctor, const std::function<void()>& run_init) {
  auto* doctor_verb =
      program.add_subcommand("doctor", "What the configured database lacks, and the SQL that mends it");
  doctor_verb->add_option("--config", doctor.config, "Main configuration file (tidewire.yaml)");
  doctor_verb->callback(run_doctor);
  auto* init_verb = program.add_subcommand("init", "Prepare what Tidewire needs");
  init_verb->require_subcommand(1);
  auto* postgres = init_verb->add_subcommand("postgres", "Print the migration for a database");
  postgres->add_option("--config", init.config, "Main configuration file: publication and tables");
  postgres->add_option("--table", init.tables, "A table that clients follow, repeatable");
  postgres->add_option("--role", init.role, "The role that Tidewire connects as")
      ->capture_default_str();
  postgres->callback(run_init);
}

void AddRevoke(CLI::App& program, RevokeArguments& revoke, const std::function<void()>& run) {
  auto* verb = program.add_subcommand(
      "revoke", "Make a user's, a session's or one token count no more, within 2 seconds");
  verb->add_option("--data", revoke.data_directory, "The server's data directory (default: ./data)");
  auto* what = verb->add_option_group("what");
  what->add_option("--sub", revoke.subject, "Tokens of this user (claim sub) issued until now");
  what->add_option("--session", revoke.session, "Those of one session (claim session_id)");
  what->add_option("--token-id", revoke.token, "One token (claim jti)");
  what->require_option(1);
  verb->add_option("--for", revoke.keep, "How long this is remembered (default: 30d)");
  verb->callback(run);
}

// `jobs` and its verbs.
void AddJobs(CLI::App& program, JobsArguments& jobs, const std::function<void()>& run) {
  auto* verb = program.add_subcommand("jobs", "Scheduled work of a running server");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, JobsVerb what) {
    auto* sub = verb->add_subcommand(name, help);
    sub->add_option("--data", jobs.data_directory, "Its data directory (default: ./data)");
    sub->add_option("--config", jobs.config, "Its main file; needed when its store is PostgreSQL");
    if (what != JobsVerb::kList) sub->add_option("job", jobs.name, "Name of the job")->required();
    sub->callback([&jobs, run, what] {
      jobs.verb = what;
      run();
    });
  };
  add("list", "What there is, when it ran and when it will", JobsVerb::kList);
  add("run", "Run one now and wait for its end", JobsVerb::kRun);
  add("pause", "Switch one off", JobsVerb::kPause);
  add("resume", "Switch one on", JobsVerb::kResume);
}

// `dead` and its verbs.
void AddDead(CLI::App& program, DeadArguments& dead, const std::function<void()>& run) {
  auto* verb = program.add_subcommand("dead", "Events that could not be applied");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, DeadVerb what) {
    auto* sub = verb->add_subcommand(name, help);
    sub->add_option("--data", dead.data_directory, "The server's data directory (default: ./data)");
    sub->add_option("--config", dead.config, "Its main file; needed when its store is PostgreSQL");
    sub->add_option("--id", dead.id, "Only this one");
    sub->add_option("--source", dead.source, "Only those of this source");
    sub->add_option("--type", dead.type, "Only those of this type");
    sub->add_option("--reason", dead.reason, "Only those that died of this");
    if (what != DeadVerb::kList) sub->add_flag("--all", dead.all, "All of them");
    sub->callback([&dead, run, what] {
      dead.verb = what;
      run();
    });
  };
  add("list", "What there is, and why", DeadVerb::kList);
  add("retry", "Apply them now, under the present configuration", DeadVerb::kRetry);
  add("discard", "Forget them", DeadVerb::kDiscard);
}

// `refused` and its verbs.
void AddRefused(CLI::App& program, RefusedArguments& refused, const std::function<void()>& run) {
  auto* verb = program.add_subcommand("refused", "Deliveries that did not prove who sent them");
  verb->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, RefusedVerb what) {
    auto* sub = verb->add_subcommand(name, help);
    sub->add_option("--data", refused.data_directory, "The server's data directory (default: ./data)");
    sub->add_option("--config", refused.config, "Its main file; needed when its store is PostgreSQL");
    sub->add_option("--id", refused.id, "Only this one");
    sub->add_option("--source", refused.source, "Only those of this source");
    sub->add_option("--reason", refused.reason, "Only those that were refused for this");
    if (what != RefusedVerb::kList) sub->add_flag("--all", refused.all, "All of them");
    if (what == RefusedVerb::kRelease) {
      sub->add_flag("--unverified", refused.unverified,
                    "Also those that no signature proves: you vouch for them");
    }
    sub->callback([&refused, run, what] {
      refused.verb = what;
      run();
    });
  };
  add("list", "What there is, and why", RefusedVerb::kList);
  add("release", "Judge them again, under the present secrets, and apply those that pass",
      RefusedVerb::kRelease);
  add("discard", "Forget them", RefusedVerb::kDiscard);
}

// `replay` and its filters.
void AddReplay(CLI::App& program, ReplayArguments& replay, const std::function<void()>& run) {
  auto* verb = program.add_subcommand("replay", "Apply logged deliveries once more");
  verb->add_option("--data", replay.data_directory, "The server's data directory (default: ./data)");
  verb->add_option("--config", replay.config, "Its main file; needed when its store is PostgreSQL");
  verb->add_option("--source", replay.source, "Of this source")->required();
  verb->add_option("--tenant", replay.tenant, "Only those of the tenant of this name");
  verb->add_option("--type", replay.type, "Only those of this type");
  verb->add_option("--status", replay.status, "Only those that ended so: ok, ignored");
  verb->add_option("--from", replay.from, "Received at or after this time, RFC 3339");
  verb->add_option("--to", replay.to, "Received before this time");
  verb->add_option("--first", replay.first, "From this sequence on");
  verb->add_option("--last", replay.last, "Up to this sequence");
  verb->add_option("--rate", replay.rate, "Deliveries per second, at most 10000 (default 2000)");
  verb->add_flag("--dry-run", replay.dry_run, "Only say what would change");
  verb->callback(run);
}

// `plan` and `try`.
void AddJudging(CLI::App& program, PlanArguments& plan, TryArguments& attempt,
                const std::function<void()>& run_plan, const std::function<void()>& run_try) {
  auto* planner = program.add_subcommand(
      "plan", "What a configuration would change of what runs, and when its jobs would run");
  planner->add_option("config", plan.config, "Main configuration file")->required();
  planner->add_option("--data", plan.data_directory, "The server's data directory (default: ./data)");
  planner->callback(run_plan);
  auto* trier = program.add_subcommand(
      "try", "What a webhook's payload would do under a configuration; touches nothing");
  trier->add_option("config", attempt.config, "Main configuration file")->required();
  trier->add_option("payload", attempt.payload, "File of the body; - for standard input")
      ->required();
  trier->add_option("--source", attempt.source, "Its source, when several have webhooks");
  trier->add_option("--data", attempt.data_directory,
                    "A server's data directory whose tenants are known");
  trier->callback(run_try);
}

void AddSubscribe(CLI::App& program, SubscribeArguments& arguments,
                  const std::function<void()>& run) {
  auto* verb = program.add_subcommand("subscribe", "Follow a table: one JSON line per change");
  verb->add_option("table", arguments.table, "The table")->required();
  verb->add_option("--url", arguments.url, "The server")->capture_default_str();
  verb->add_option("--token", arguments.token, "The user's token (default: $TIDEWIRE_TOKEN)");
  verb->add_option("--apikey", arguments.apikey, "The application's key, where it has its own");
  verb->add_option("--ca", arguments.ca_file, "Certificates to trust, a PEM file");
  verb->add_option("--schema", arguments.schema, "Its schema")->capture_default_str();
  verb->add_option("--event", arguments.event, "INSERT, UPDATE, DELETE or *")
      ->check(CLI::IsMember({"*", "INSERT", "UPDATE", "DELETE"}))
      ->capture_default_str();
  verb->add_option("--filter", arguments.filter, "As in PostgREST: status=eq.open,owner=eq.7");
  verb->add_option("--since", arguments.since, "First what happened after this position");
  verb->add_option("--position-file", arguments.position_file,
                   "Where the position is kept from run to run");
  verb->add_option("--count", arguments.count, "End after so many changes");
  verb->add_option("--attempts", arguments.attempts_max, "End after so many failures in a row");
  verb->add_flag("--fail-on-gap", arguments.fail_on_gap, "End with 6 when changes were missed");
  verb->callback(run);
}

int Run(int argc, char** argv) {
  CLI::App program("Tidewire: every screen, cache and mirror right when data changes anywhere.");
  program.require_subcommand(1);
  program.fallthrough();
  bool json = false;
  program.add_flag("--json", json, "Print data as JSON");
  const auto format = [&] { return json ? Format::kJson : Format::kText; };
  ExitCode code = ExitCode::kOk;

  ServeArguments serve;
  auto* dev = program.add_subcommand("dev", "Development server with a live example, no set-up");
  AddServeOptions(*dev, serve);
  bool quiet = false;
  dev->add_flag("--no-demo-traffic", quiet, "Leave the tables empty");
  dev->add_flag("--i-know", serve.allow_any_address,
                "Listen on any address although the secrets are public");
  dev->callback([&] {
    serve.format = format();
    serve.demo_traffic = !quiet;
    code = RunDev(serve);
  });

  auto* production = program.add_subcommand("serve", "The server");
  AddServeOptions(*production, serve);
  production->callback([&] {
    serve.format = format();
    code = RunServe(serve);
  });

  DrainArguments drain;
  auto* drainer = program.add_subcommand(
      "drain", "Send a running server's realtime clients away and end it");
  drainer->add_option("--data", drain.data_directory, "Its data directory, default ./data");
  drainer->add_option("--window", drain.window,
                      "Spread over this time, e.g. 30s, 2m; default: server.drain_window");
  drainer->callback([&] {
    drain.format = format();
    code = RunDrain(drain);
  });

  ApplyArguments apply;
  auto* applier = program.add_subcommand(
      "apply", "Have a running server take over what its configuration says now");
  applier->add_option("--data", apply.data_directory, "Its data directory, default ./data");
  applier->callback([&] {
    apply.format = format();
    code = RunApply(apply);
  });

  CheckArguments check;
  auto* checker = program.add_subcommand("check", "Check a configuration; touches no data");
  checker->add_option("config", check.config, "Main configuration file; none: the example");
  checker->add_option("--config", check.config, "The same");
  checker->callback([&] {
    check.format = format();
    code = RunCheck(check);
  });

  auto* token = program.add_subcommand("token", "Tokens");
  token->require_subcommand(1);
  MintArguments mint;
  auto* minter = token->add_subcommand("mint", "Sign a token with TIDEWIRE_JWT_SECRET");
  minter->add_option("--role", mint.role, "Role, e.g. authenticated")->required();
  minter->add_option("--sub", mint.sub, "Subject: the user's id, auth.uid() in policies");
  minter->add_option("--claim", mint.claims, "KEY=VALUE, repeatable; VALUE may be JSON");
  minter->add_option("--ttl", mint.ttl, "Life, e.g. 15m, 1h, 7d")->capture_default_str();
  minter->callback([&] {
    mint.format = format();
    code = RunTokenMint(mint);
  });

  auto* policies = program.add_subcommand("policy", "Row-level security");
  policies->require_subcommand(1);
  ExplainArguments explain;
  auto* explainer = policies->add_subcommand(
      "explain", "Where a PostgreSQL database's policies are decided, and why");
  explainer->add_option("--dsn", explain.dsn, "Connection string (default: $TIDEWIRE_DSN)");
  explainer->add_option("--schema", explain.schema, "Schema of the tables")->capture_default_str();
  explainer->add_option("--role", explain.role, "Only this role");
  explainer->callback([&] {
    explain.format = format();
    code = RunPolicyExplain(explain);
  });

  auto* gen = program.add_subcommand("gen", "Code written from a configuration");
  gen->require_subcommand(1);
  GenArguments generated{.version = TW_VERSION};
  const auto generates = [&](const char* name, const char* help, Generated what) {
    auto* const verb = gen->add_subcommand(name, help);
    verb->add_option("config", generated.config,
                     "Main configuration file; none: the example");
    verb->callback([&, what] {
      generated.what = what;
      generated.format = format();
      code = RunGen(generated);
    });
  };
  generates("types", "TypeScript for tables and named queries", Generated::kTypes);
  generates("openapi", "OpenAPI 3.1 for the HTTP surface, as JSON", Generated::kOpenApi);

  DocsArguments docs;
  AddDocs(program, docs, [&] {
    docs.format = format();
    code = RunDocs(docs);
  });

  DoctorArguments doctor;
  InitPostgresArguments init;
  AddPostgres(program, doctor, init,
              [&] {
                doctor.format = format();
                code = RunDoctor(doctor);
              },
              [&] {
                init.format = format();
                code = RunInitPostgres(init);
              });
  RevokeArguments revoke;
  AddRevoke(program, revoke, [&] {
    revoke.format = format();
    code = RunRevoke(revoke);
  });
  JobsArguments jobs;
  AddJobs(program, jobs, [&] {
    jobs.format = format();
    code = RunJobs(jobs);
  });

  DeadArguments dead;
  AddDead(program, dead, [&] {
    dead.format = format();
    code = RunDead(dead);
  });

  RefusedArguments refused;
  AddRefused(program, refused, [&] {
    refused.format = format();
    code = RunRefused(refused);
  });

  ReplayArguments replay;
  AddReplay(program, replay, [&] {
    replay.format = format();
    code = RunReplay(replay);
  });

  PlanArguments plan;
  TryArguments attempt;
  AddJudging(program, plan, attempt,
             [&] {
               plan.format = format();
               code = RunPlan(plan);
             },
             [&] {
               attempt.format = format();
               code = RunTry(attempt);
             });
  SubscribeArguments subscribe;
  AddSubscribe(program, subscribe, [&] { code = RunSubscribe(subscribe, format()); });

  auto* version = program.add_subcommand("version", "Version of this program");
  version->callback([&] { code = PrintVersion(format()); });

  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  return static_cast<int>(code);
}

}  // namespace
}  // namespace tw::cli

int main(int argc, char** argv) { return tw::cli::Run(argc, argv); }
