// The program: parses the command line and runs a verb.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "app/config.h"
#include "cli/check.h"
#include "cli/docs_verb.h"
#include "cli/gen_types.h"
#include "cli/output.h"
#include "cli/serve.h"
#include "cli/token.h"
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

  auto* gen = program.add_subcommand("gen", "Code written from a configuration");
  gen->require_subcommand(1);
  GenTypesArguments types;
  auto* typer = gen->add_subcommand("types", "TypeScript for tables and named queries");
  typer->add_option("config", types.config, "Main configuration file; none: the example");
  typer->callback([&] {
    types.format = format();
    code = RunGenTypes(types);
  });

  DocsArguments docs;
  AddDocs(program, docs, [&] {
    docs.format = format();
    code = RunDocs(docs);
  });

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
