// The main configuration file, tidewire.yaml, as structs. Reference: docs/config.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "app/channels_config.h"
#include "config/config.h"
#include "query/invalidation/invalidation_config.h"
#include "query/query_config.h"

namespace tw::app {

using namespace std::chrono_literals;

struct CompressionConfig {
  bool enabled = false;
  uint32_t level = 1;
  config::ByteSize bytes_min{512};
  config::ByteSize expanded_max{5'000'000};
};

constexpr void Describe(config::Of<CompressionConfig> auto& config, auto&& field) {
  field("enabled", config.enabled,
        "Whether permessage-deflate (RFC 7692) is accepted when a client offers it.");
  field("level", config.level, 1u, 9u, "zlib's level: 1 is the fastest, 9 the smallest.");
  field("bytes_min", config.bytes_min, config::ByteSize{64}, config::MiB(1),
        "Smaller messages are sent as they are.");
  field("expanded_max", config.expanded_max, config::KiB(16), config::MiB(64),
        "Bytes that one message of a client may expand to.");
}

struct TlsConfig {
  std::string certificate;
  std::string key;
};

constexpr void Describe(config::Of<TlsConfig> auto& config, auto&& field) {
  field("certificate", config.certificate,
        "PEM file with the certificate chain, the server's own first; empty: no TLS.");
  field("key", config.key, "PEM file with its private key, without passphrase.");
}

struct ServerConfig {
  std::string listen = "127.0.0.1:4000";
  uint32_t loops = 0;
  std::chrono::milliseconds ping_interval = 20s;
  std::chrono::milliseconds pong_timeout = 10s;
  std::chrono::milliseconds request_timeout = 10s;
  config::ByteSize outbox_max = config::MiB(1);
  std::chrono::milliseconds outbox_age_max = 30s;
  SlowClients slow_clients = SlowClients::kResync;
  config::ByteSize message_max{5'000'000};
  std::chrono::milliseconds message_timeout = 60s;
  uint32_t connections_max = 100'000;
  std::vector<std::string> allowed_origins;
  CompressionConfig compression;
  TlsConfig tls;
  std::chrono::milliseconds drain_window = 5s;
  std::chrono::milliseconds connection_age_max{0};
  uint32_t accepts_per_second = 5'000;
};

constexpr void Describe(config::Of<ServerConfig> auto& config, auto&& field) {
  field("listen", config.listen,
        "IP address and port to listen on. Port 0 lets the system choose one.");
  field("loops", config.loops, 0u, 256u, "Event loops; 0 means one per processor core.");
  field("ping_interval", config.ping_interval, 1s, 5min,
        "A silent realtime connection is pinged after this time.");
  field("pong_timeout", config.pong_timeout, 1s, 5min,
        "A pinged connection that stays silent this long is gone.");
  field("request_timeout", config.request_timeout, 1s, 5min,
        "Time for a whole HTTP request to arrive.");
  field("outbox_max", config.outbox_max, config::KiB(64), config::GiB(1),
        "Unsent bytes of one connection; a slower client is cut off and resumes.");
  field("outbox_age_max", config.outbox_age_max, 1s, 1h,
        "Time that sent bytes may wait for a client to take them; a slower one is cut off.");
  field("slow_clients", config.slow_clients,
        "At outbox_max, for each channel: resync sends later, from the log and the history, what the "
        "client had no room for; conflate only the newest state of each row and the newest "
        "broadcast of each event; cut ends its connection.");
  field("message_max", config.message_max, config::KiB(16), config::MiB(64),
        "Largest message of a realtime client.");
  field("message_timeout", config.message_timeout, 1s, 1h,
        "Time for a whole message of a realtime client to arrive.");
  field("connections_max", config.connections_max, 1u, 10'000'000u,
        "Open connections of the whole process; more are refused.");
  field("allowed_origins", config.allowed_origins,
        "Origins of pages that may open realtime connections, matched exactly; empty: all.");
  field("compression", config.compression,
        "Compression of realtime messages: once per message, shared by all who read it.");
  field("tls", config.tls,
        "TLS on the listening port. SIGHUP reads both files anew; open connections stay.");
  field("drain_window", config.drain_window, 0ms, 1h,
        "At SIGTERM realtime clients are told and closed one by one over this time.");
  field("connection_age_max", config.connection_age_max, 0ms, 720h,
        "A realtime client is asked to reconnect at this age, 20 % more or less; 0: never.");
  field("accepts_per_second", config.accepts_per_second, 1u, 1'000'000u,
        "Realtime connections that may begin per second; more wait up to 2 s, then get 503.");
}

struct ApiKeyConfig {
  config::Secret key;
  std::string role;
};

constexpr void Describe(config::Of<ApiKeyConfig> auto& config, auto&& field) {
  field(config::Required("key"), config.key, "An opaque key, sb_publishable_… or sb_secret_….");
  field(config::Required("role"), config.role, "The role that it stands for.");
}

enum class JwtAlgorithm : uint8_t { kHs256, kHs384, kHs512 };

constexpr auto ConfigNames(JwtAlgorithm) {
  return std::array{config::Named{JwtAlgorithm::kHs256, "HS256"},
                    config::Named{JwtAlgorithm::kHs384, "HS384"},
                    config::Named{JwtAlgorithm::kHs512, "HS512"}};
}

struct IssuerConfig {
  std::string issuer;
  std::string jwks_url;
};

constexpr void Describe(config::Of<IssuerConfig> auto& config, auto&& field) {
  field(config::Required("issuer"), config.issuer,
        "Claim iss of its tokens. Its keys verify no token that claims another.");
  field(config::Required("jwks_url"), config.jwks_url,
        "Where it publishes its keys, https://…/.well-known/jwks.json.");
}

struct AuthConfig {
  config::Secret jwt_secret;
  config::Secret jwks;
  std::vector<IssuerConfig> issuers;
  std::chrono::seconds jwks_refresh = 10min;
  config::OrderedMap<config::Located<std::string>> required_claims;
  std::vector<JwtAlgorithm> jwt_algorithms = {JwtAlgorithm::kHs256};
  std::vector<ApiKeyConfig> api_keys;
};

constexpr void Describe(config::Of<AuthConfig> auto& config, auto&& field) {
  field("jwt_secret", config.jwt_secret,
        "Secret that signs tokens, at least 32 bytes.");
  field("jwt_algorithms", config.jwt_algorithms,
        "Algorithms that the secret verifies; tokens signed with any other are refused.");
  field("jwks", config.jwks,
        "A JSON Web Key Set, e.g. ${file:/etc/tidewire/jwks.json}: keys for RS256 to RS512, ES256 to"
        " ES512, EdDSA and HS256 to HS512, beside or instead of jwt_secret. Old and new keys stand"
        " in it together while an issuer changes them.");
  field("issuers", config.issuers,
        "Whose published keys verify tokens as well: fetched at the start, every jwks_refresh, on SIGHUP"
        " and, at most every 30 s, when a token names a key that is not there. When that fails the"
        " former keys stay.");
  field("jwks_refresh", config.jwks_refresh, 30s, 24h, "How often issuers are asked for their keys.");
  field("required_claims", config.required_claims,
        "Values that every token must claim, such as iss and aud.");
  field("api_keys", config.api_keys, "Opaque API keys and their roles.");
}

struct HistoryConfig {
  std::chrono::seconds age_max = 24h;
  uint64_t changes_max = 1'000'000;
  config::ByteSize disk_max = config::GiB(4);
  config::ByteSize memory_max = config::MiB(16);
  uint64_t replay_changes_max = 10'000;
  config::ByteSize replay_max = config::MiB(16);
  uint64_t snapshot_rows_max = 10'000;
  config::ByteSize snapshot_max = config::MiB(4);
};

constexpr void Describe(config::Of<HistoryConfig> auto& config, auto&& field) {
  field("age_max", config.age_max, 1min, 720h,
        "How long changes are kept for clients that return.");
  field("changes_max", config.changes_max, uint64_t{1'000}, uint64_t{1'000'000'000},
        "How many changes are kept for clients that return.");
  field("disk_max", config.disk_max, config::MiB(64), config::GiB(4096),
        "Size of the change log's files on PostgreSQL; older changes are forgotten.");
  field("memory_max", config.memory_max, config::MiB(1), config::GiB(16),
        "Newest changes kept in memory, per event loop.");
  field("replay_changes_max", config.replay_changes_max, uint64_t{1}, uint64_t{1'000'000},
        "A client that missed more changes than this is told to read anew.");
  field("replay_max", config.replay_max, config::KiB(64), config::GiB(1),
        "The same for the size of the missed changes.");
  field("snapshot_rows_max", config.snapshot_rows_max, uint64_t{1}, uint64_t{1'000'000},
        "A join that asks for more rows than this gets none, and is told so.");
  field("snapshot_max", config.snapshot_max, config::KiB(64), config::MiB(64),
        "The same for the size of the rows.");
}

enum class StoreKind : uint8_t { kSqlite, kPostgres };

constexpr auto ConfigNames(StoreKind) {
  return std::array{config::Named{StoreKind::kSqlite, "sqlite"},
                    config::Named{StoreKind::kPostgres, "postgres"}};
}

enum class StoreSetup : uint8_t { kAutomatic, kManual };

constexpr auto ConfigNames(StoreSetup) {
  return std::array{config::Named{StoreSetup::kAutomatic, "automatic"},
                    config::Named{StoreSetup::kManual, "manual"}};
}

struct StoreConfig {
  StoreKind kind = StoreKind::kSqlite;
  config::Secret dsn;
  std::string publication = "tidewire";
  std::string slot = "tidewire";
  StoreSetup setup = StoreSetup::kAutomatic;
  config::ByteSize wal_keep_max = config::GiB(16);
  std::vector<config::Located<std::string>> schema;
  std::vector<config::Located<std::string>> seed;
  uint32_t reader_threads = 1;
};

constexpr void Describe(config::Of<StoreConfig> auto& config, auto&& field) {
  field("kind", config.kind, "sqlite: the embedded database. postgres: a database to follow.");
  field("dsn", config.dsn, "PostgreSQL: connection string, postgres://user:password@host/database.");
  field("publication", config.publication, "PostgreSQL: what is followed.");
  field("slot", config.slot,
        "PostgreSQL: replication slot; a restart goes on where it stopped. 'temporary': no WAL is "
        "kept while Tidewire is away, and every start is a new history.");
  field("setup", config.setup,
        "PostgreSQL: automatic makes publication and slot; manual leaves the publication alone.");
  field("wal_keep_max", config.wal_keep_max, config::MiB(64), config::GiB(65536),
        "PostgreSQL: WAL that the slot may hold back; beyond it the slot is given up.");
  field("schema", config.schema,
        "SQL files run at every start, in this order; they must be idempotent.");
  field("seed", config.seed, "SQL files run once, when the database is created.");
  field("reader_threads", config.reader_threads, 1u, 64u,
        "Threads for table reads and for resuming from disk.");
}

enum class PolicyKind : uint8_t { kPermissive, kRestrictive };

constexpr auto ConfigNames(PolicyKind) {
  return std::array{config::Named{PolicyKind::kPermissive, "permissive"},
                    config::Named{PolicyKind::kRestrictive, "restrictive"}};
}

enum class PolicyCommand : uint8_t { kSelect, kInsert, kUpdate, kDelete };

constexpr auto ConfigNames(PolicyCommand) {
  return std::array{config::Named{PolicyCommand::kSelect, "select"},
                    config::Named{PolicyCommand::kInsert, "insert"},
                    config::Named{PolicyCommand::kUpdate, "update"},
                    config::Named{PolicyCommand::kDelete, "delete"}};
}

struct PolicyConfig {
  std::string name;
  std::vector<PolicyCommand> commands = {PolicyCommand::kSelect};
  PolicyKind kind = PolicyKind::kPermissive;
  std::vector<std::string> roles;
  config::Located<std::string> using_sql;
  config::Located<std::string> check_sql;
};

constexpr void Describe(config::Of<PolicyConfig> auto& config, auto&& field) {
  field(config::Required("name"), config.name, "Name, for messages.");
  field("kind", config.kind, "permissive policies are OR-ed, restrictive ones AND-ed.");
  field("roles", config.roles, "Roles it applies to; empty: all.");
  field("for", config.commands,
        "Commands that it concerns; other than in PostgreSQL it allows no writes unless it says so.");
  field(config::Required("using"), config.using_sql,
        "SQL expression over the row's columns, auth.uid(), auth.jwt() and auth.role(): the rows"
        " that may be seen and touched.");
  field("check", config.check_sql,
        "The same for rows that an insert or update makes; where it is missing, `using` decides.");
}

struct TableConfig {
  bool row_level_security = true;
  std::vector<PolicyConfig> policies;
};

constexpr void Describe(config::Of<TableConfig> auto& config, auto&& field) {
  field("row_level_security", config.row_level_security,
        "Whether policies decide; false shows every row to every role.");
  field("policies", config.policies, "Who may see which rows; none: nobody but service_role.");
}

struct OutboundConfig {
  std::vector<config::Located<std::string>> allow_addresses;
  std::string proxy;
  std::string ca_file;
};

constexpr void Describe(config::Of<OutboundConfig> auto& config, auto&& field) {
  field("allow_addresses", config.allow_addresses,
        "Addresses that are not public and may be asked all the same, as 127.0.0.0/8.");
  field(config::Expands("proxy"), config.proxy, "HTTP proxy for our own requests.");
  field("ca_file", config.ca_file, "PEM file of trusted certificates; default: the system's.");
}

struct JobsConfig {
  config::Located<std::string> table{std::string("tidewire_job")};
};

constexpr void Describe(config::Of<JobsConfig> auto& config, auto&& field) {
  field("table", config.table,
        "Table that shows the jobs and switches them: job_name and is_active, and of job_type, "
        "schedule, endpoint, last_run_at, last_status, last_error, next_run_at what it has.");
}

struct QueryServiceConfig {
  uint32_t threads = 2;
  config::ByteSize cache_max = config::MiB(256);
};

constexpr void Describe(config::Of<QueryServiceConfig> auto& config, auto&& field) {
  field("threads", config.threads, 1u, 64u, "Named queries that run at the same time.");
  field("cache_max", config.cache_max, config::MiB(1), config::GiB(64),
        "Results kept in memory; the least recently used go first.");
}

struct MainConfig {
  uint32_t version = 1;
  ServerConfig server;
  AuthConfig auth;
  HistoryConfig history;
  StoreConfig store;
  OutboundConfig outbound;
  JobsConfig jobs;
  config::OrderedMap<TableConfig> tables;
  ChannelsConfig channels;
  LimitsConfig limits;
  config::OrderedMap<config::Located<std::string>> sources;
  QueryServiceConfig query;
  config::OrderedMap<query::QueryConfig> queries;
  query::InvalidationConfig invalidation;
};

constexpr void Describe(config::Of<MainConfig> auto& config, auto&& field) {
  field(config::Required("version"), config.version, 1u, 1u, "Version of this file's format.");
  field("server", config.server, "Network edge.");
  field("auth", config.auth, "Who may connect.");
  field("history", config.history, "What is kept for clients that return.");
  field("store", config.store, "The database.");
  field("outbound", config.outbound, "Requests that we make to outside systems.");
  field("jobs", config.jobs, "Scheduled work.");
  field("tables", config.tables,
        "Tables that clients may follow and read, with their policies. On PostgreSQL the policies "
        "are the database's own, and no tables means all that the publication has.");
  field("channels", config.channels, "Broadcasts, presence and private channels.");
  field("limits", config.limits, "Rates and sizes of realtime clients.");
  field("sources", config.sources,
        "Outside systems: name → source file. A file of several sources names them itself.");
  field("query", config.query, "What running named queries may cost.");
  field("queries", config.queries, "Named queries: name → SQL, parameters, how long it is kept.");
  field("invalidation", config.invalidation, "Client keys that changes and syncs make old.");
}

}  // namespace tw::app
