// The generator of postgres_world.h.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "policy/postgres_world.h"

namespace tw::policy::postgres_world {
namespace {

constexpr const char* kUuids[] = {"11111111-1111-4111-8111-111111111111",
                                  "22222222-2222-4222-8222-222222222222",
                                  "33333333-3333-4333-8333-33333333333a"};
constexpr const char* kTexts[] = {"open", "done", "a", "", "A%", "admin"};
constexpr const char* kNumerics[] = {"1", "1.0", "1.50", "2.5", "-3", "100.00"};

// The columns of each table by sort; names are the same whatever their exact types.
struct Columns {
  const char* table;
  std::vector<const char*> ints, texts, uuids, bools, numerics;
};
const std::vector<Columns>& AllColumns() {
  static const std::vector<Columns> all = {
      {"t", {"a", "org", "parent"}, {"note", "state"}, {"owner"}, {"flag"}, {"amount"}},
      {"m", {"org", "level"}, {"role"}, {"user_id"}, {"active"}, {}},
      {"o", {"oid", "parent"}, {"name"}, {"boss"}, {"open"}, {"budget"}}};
  return all;
}
const Columns& ColumnsOf(std::string_view table) {
  for (const Columns& columns : AllColumns()) {
    if (columns.table == table) return columns;
  }
  TW_UNREACHABLE();
}

Value ValueOf(const postgres::Rows& rows, size_t row, size_t column, ColumnType type) {
  const auto text = rows.OptionalText(row, column);
  if (!text) return {};
  switch (type) {
    case ColumnType::kBool:
      return Value(*text == "t");
    case ColumnType::kInt2:
    case ColumnType::kInt4:
    case ColumnType::kInt8:
      return Value(*ParseInt64(*text));
    default:
      return Value(*text);
  }
}

constexpr char kSetUp[] = R"(
  do $$ begin
    if not exists (select 1 from pg_roles where rolname = 'w_anon') then
      create role w_anon; create role w_staff; create role w_guest; create role w_owner;
      create role w_user inherit; create role w_limited noinherit; create role w_service bypassrls;
      grant w_staff to w_user; grant w_guest to w_limited; grant w_owner to w_service;
    end if; end $$;
  create schema auth;
  grant usage on schema auth to public;
  create function auth.uid() returns uuid language sql stable as $$
    select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
      (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;
  create function auth.role() returns text language sql stable as $$
    select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')::text $$;
  create function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(nullif(current_setting('request.jwt.claim', true), ''),
      nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
)";

constexpr char kFunctions[] = R"(
  create function is_member(x int) returns boolean language sql stable security definer
    set search_path = public as $$ select exists (select 1 from m where m.org = x and
    m.user_id = auth.uid()) $$;
  create function is_member_invoker(x int) returns boolean language sql stable as $$
    select exists (select 1 from public.m where m.org = $1 and m.user_id = (select auth.uid())) $$;
  create function my_org() returns int language sql stable security definer
    set search_path = public as $$ select max_org.org::int from m max_org where max_org.user_id =
    auth.uid() and max_org.active limit 1 $$;
  create function big(x int) returns boolean language sql immutable strict as $$ select x > 2 $$;
  create function is_admin() returns boolean language plpgsql stable as $$ begin
    return (auth.jwt() ->> 'name') = 'admin'; end $$;
  create function slow(x int) returns boolean language plpgsql stable as $$ begin
    return x > 1; end $$;
  create function has_level(x int, wanted int) returns boolean language sql security definer
    set search_path = '' as $$ select exists (select 1 from public.m join public.o on o.oid = m.org
    where o.oid = $1 and m.user_id = auth.uid() and m.level >= wanted) $$;
)";

}  // namespace

World::World(const std::string& dsn, uint64_t seed)
    : random_(seed), connection_([&] {
        auto opened = postgres::Connection::Open({.dsn = dsn});
        if (!opened.ok()) ADD_FAILURE() << opened.error();
        TW_CHECK(opened.ok());
        return std::move(*opened);
      }()) {
  Execute(kSetUp);
}

void World::Execute(const std::string& sql) {
  const Status done = connection_.Execute(sql);
  if (!done.ok()) ADD_FAILURE() << done.error() << "\n" << sql;
  TW_CHECK(done.ok());
}

std::string World::Literal(Sort sort) {
  if (Chance(8)) {
    static constexpr const char* kNulls[] = {"NULL::int", "NULL::text", "NULL::uuid", "NULL::bool",
                                             "NULL::numeric"};
    return kNulls[static_cast<int>(sort)];
  }
  switch (sort) {
    case Sort::kInt:
      return std::to_string(random_.Below(6));
    case Sort::kText:
      return "'" + std::string(Pick(kTexts)) + "'";
    case Sort::kUuid:
      return "'" + std::string(Pick(kUuids)) + "'::uuid";
    case Sort::kBool:
      return Chance(50) ? "true" : "false";
    case Sort::kNumeric:
      return std::string(Pick(kNumerics)) + "::numeric";
  }
  TW_UNREACHABLE();
}

std::string World::Claim(Sort sort) {
  switch (sort) {
    case Sort::kInt:
      return Chance(70) ? "(auth.jwt() ->> 'org')::int"
                        : "coalesce((auth.jwt() -> 'app' ->> 'level')::int, 1)";
    case Sort::kText:
      return Chance(60) ? "(auth.jwt() ->> 'name')" : "auth.role()";
    case Sort::kUuid:
      return Chance(50) ? "auth.uid()" : "(select auth.uid())";
    case Sort::kBool:
      return Chance(50) ? "is_admin()" : "((auth.jwt() ->> 'name') = 'admin')";
    case Sort::kNumeric:
      return "(auth.jwt() ->> 'amount')::numeric";
  }
  TW_UNREACHABLE();
}

std::string World::Column(const Scope& scope, Sort sort) {
  for (int attempt = 0; attempt < 8; ++attempt) {
    const Source& source = scope[random_.Below(scope.size())];
    const Columns& columns = ColumnsOf(source.table);
    const auto& names = sort == Sort::kInt    ? columns.ints
                        : sort == Sort::kText ? columns.texts
                        : sort == Sort::kUuid ? columns.uuids
                        : sort == Sort::kBool ? columns.bools
                                              : columns.numerics;
    if (names.empty()) continue;
    return source.alias + "." + names[random_.Below(names.size())];
  }
  return Literal(sort);
}

std::string World::Value(const Scope& scope, Sort sort, int depth) {
  const uint64_t dice = random_.Below(100);
  if (depth <= 0 || dice < 55) return Column(scope, sort);
  if (dice < 70) return Literal(sort);
  if (dice < 90) return Claim(sort);
  if (sort == Sort::kInt && dice < 94) {
    return "(" + Value(scope, sort, depth - 1) + (Chance(50) ? " + " : " - ") +
           Value(scope, sort, depth - 1) + ")";
  }
  if (sort == Sort::kText && dice < 93) return "lower(" + Column(scope, sort) + ")";
  if (dice < 97) {
    return "coalesce(" + Value(scope, sort, depth - 1) + ", " + Literal(sort) + ")";
  }
  return "case when " + Bool(scope, depth - 1) + " then " + Value(scope, sort, depth - 1) +
         " else " + Value(scope, sort, depth - 1) + " end";
}

std::string World::Comparison(const Scope& scope, int depth) {
  constexpr Sort kSorts[] = {Sort::kInt, Sort::kInt, Sort::kText, Sort::kUuid, Sort::kUuid,
                             Sort::kNumeric};
  constexpr const char* kEqualities[] = {" = ", " = ", " = ", " <> ", " IS DISTINCT FROM ",
                                         " IS NOT DISTINCT FROM "};
  constexpr const char* kOrders[] = {" = ", " < ", " <= ", " > ", " >= ", " <> "};
  const Sort sort = Pick(kSorts);
  const bool ordered = sort == Sort::kInt || sort == Sort::kNumeric || Chance(3);
  const std::string left = Column(scope, sort);
  return "(" + left + (ordered ? Pick(kOrders) : Pick(kEqualities)) + Value(scope, sort, depth) +
         ")";
}

// "SELECT target FROM … WHERE …" over inner tables; `target_sort` empty: of no matter.
std::string World::Select(const Scope& outer, std::string_view target_sort, int depth) {
  Scope scope;
  const size_t tables = Chance(30) ? 2 : 1;
  std::string from;
  for (size_t i = 0; i < tables; ++i) {
    const bool members = i == 0 ? Chance(60) : scope[0].table == "o";
    Source source{"x" + std::to_string(++aliases_), members ? "m" : "o"};
    if (Chance(3)) source.table = "t";
    const auto org = [](const Source& s) { return s.alias + (s.table == "o" ? ".oid" : ".org"); };
    if (i == 0) {
      from = source.table + " " + source.alias;
    } else {
      from += " JOIN " + source.table + " " + source.alias + " ON " + org(scope[0]) + " = " +
              org(source);
    }
    scope.push_back(source);
  }
  const auto of_sort = [&]() -> std::string {
    const Sort sort = target_sort == "int"    ? Sort::kInt
                      : target_sort == "uuid" ? Sort::kUuid
                      : target_sort == "text" ? Sort::kText
                                              : Sort::kBool;
    return Column(scope, sort);
  };
  const std::string target = target_sort.empty() ? "1" : of_sort();
  Scope both = scope;
  if (Chance(60)) both.insert(both.end(), outer.begin(), outer.end());
  std::string where = Bool(both, depth - 1);
  // What memberships look like.
  if (Chance(65)) {
    const Source& source = scope[random_.Below(scope.size())];
    const char* column = source.table == "m" ? ".user_id" : (source.table == "o" ? ".boss" : ".owner");
    where = "(" + source.alias + column + " = " + Claim(Sort::kUuid) + ") AND " + where;
  }
  return "SELECT " + target + " FROM " + from + " WHERE " + where;
}

std::string World::Membership(const Scope& scope, int depth) {
  constexpr const char* kSorts[] = {"int", "int", "int", "uuid", "text"};
  const std::string sort = Pick(kSorts);
  const Sort value_sort = sort == "int" ? Sort::kInt : (sort == "uuid" ? Sort::kUuid : Sort::kText);
  const uint64_t dice = random_.Below(100);
  if (dice < 45) {
    const char* const in = Chance(75) ? " IN (" : " NOT IN (";
    return "(" + Column(scope, value_sort) + in + Select(scope, sort, depth) + "))";
  }
  if (dice < 80) {
    return std::string(Chance(80) ? "" : "NOT ") + "EXISTS (" + Select(scope, "", depth) + ")";
  }
  if (dice < 88) {
    return "(" + Column(scope, value_sort) + " = ANY (ARRAY(" + Select(scope, sort, depth) + ")))";
  }
  if (dice < 94) {
    return "(" + Column(scope, value_sort) + " = (" + Select(scope, sort, depth) + " LIMIT 1))";
  }
  return "(" + Column(scope, value_sort) + " IN (" + Select(scope, sort, depth) + " UNION " +
         Select(scope, sort, depth) + "))";
}

std::string World::Function(const Scope& scope) {
  const std::string number = Column(scope, Sort::kInt) + "::int";
  switch (random_.Below(8)) {
    case 0:
    case 1:
      return "is_member(" + number + ")";
    case 2:
      return "is_member_invoker(" + number + ")";
    case 3:
      return "(" + number + " = my_org())";
    case 4:
      return "big(" + number + ")";
    case 5:
      return "is_admin()";
    case 6:
      return Chance(20) ? "slow(" + number + ")" : "big(" + number + ")";
    default:
      return "has_level(" + number + ", " + std::to_string(random_.Below(4)) + ")";
  }
}

std::string World::Bool(const Scope& scope, int depth) {
  const uint64_t dice = random_.Below(100);
  if (depth <= 0 || dice < 28) return Comparison(scope, depth);
  if (dice < 42) {
    return "(" + Bool(scope, depth - 1) + " AND " + Bool(scope, depth - 1) + ")";
  }
  if (dice < 56) return "(" + Bool(scope, depth - 1) + " OR " + Bool(scope, depth - 1) + ")";
  if (dice < 62) return "(NOT " + Bool(scope, depth - 1) + ")";
  if (dice < 65) return "(" + Column(scope, Sort::kText) + " IS NULL)";
  if (dice < 68) return "(" + Bool(scope, depth - 1) + Pick({" IS TRUE)", " IS NOT FALSE)", " IS UNKNOWN)"});
  if (dice < 72) return Column(scope, Sort::kBool);
  if (dice < 75) {
    return "(" + Column(scope, Sort::kInt) + (Chance(70) ? " IN (" : " NOT IN (") +
           Value(scope, Sort::kInt, 1) + ", " + Literal(Sort::kInt) + ", " + Claim(Sort::kInt) +
           "))";
  }
  if (dice < 78) {
    return "(" + Column(scope, Sort::kInt) +
           " = ANY (ARRAY(SELECT (jsonb_array_elements_text(auth.jwt() -> 'orgs'))::int)))";
  }
  if (dice < 80) return "(" + Column(scope, Sort::kText) + " LIKE '" + Pick({"a%", "%o_e", "op%"}) + "')";
  if (dice < 86) return Function(scope);
  if (dice < 88) return Claim(Sort::kBool);
  return Membership(scope, depth);
}

std::string World::Policy() { return Bool({{"t", "t"}}, 3); }

void World::NewTables() {
  constexpr const char* kInts[] = {"int", "int", "bigint", "smallint"};
  constexpr const char* kTextTypes[] = {"text", "text", "varchar"};
  const auto integer = [&] { return std::string(Pick(kInts)); };
  std::string sql = "set search_path = public; drop schema public cascade; create schema public; grant usage on schema public "
                    "to public; create type state as enum ('open', 'done', 'a', '', 'A%', 'admin');";
  sql += "create table t(id bigint primary key, a " + integer() + ", org " + integer() +
         ", parent int, note " + Pick(kTextTypes) + ", state text, owner uuid, flag bool, amount " +
         "numeric);";
  sql += "create table m(id int primary key, org " + integer() + ", level " + integer() + ", role " +
         Pick(kTextTypes) + ", user_id uuid, active bool);";
  sql += "create table o(oid " + integer() + " primary key, parent int, name text, boss uuid, open "
         "bool, budget numeric);";
  const auto cell = [&](Sort sort) { return Chance(15) ? "NULL" : Literal(sort); };
  for (int i = 0; i < 10; ++i) {
    sql += "insert into t values (" + std::to_string(i) + "," + cell(Sort::kInt) + "," +
           cell(Sort::kInt) + "," + cell(Sort::kInt) + "," + cell(Sort::kText) + "," +
           cell(Sort::kText) + "," + cell(Sort::kUuid) + "," + cell(Sort::kBool) + "," +
           cell(Sort::kNumeric) + ");";
  }
  for (int i = 0; i < 7; ++i) {
    sql += "insert into m values (" + std::to_string(i) + "," + cell(Sort::kInt) + "," +
           cell(Sort::kInt) + "," + cell(Sort::kText) + "," + cell(Sort::kUuid) + "," +
           cell(Sort::kBool) + ");";
  }
  for (int i = 0; i < 5; ++i) {
    sql += "insert into o values (" + std::to_string(i) + "," + cell(Sort::kInt) + "," +
           cell(Sort::kText) + "," + cell(Sort::kUuid) + "," + cell(Sort::kBool) + "," +
           cell(Sort::kNumeric) + ");";
  }
  sql += kFunctions;
  for (const char* name : {"is_member(int)", "my_org()", "has_level(int, int)"}) {
    if (Chance(50)) sql += "alter function " + std::string(name) + " owner to w_owner;";
  }
  sql += "grant select on t, m, o to w_anon, w_user, w_limited, w_staff, w_guest, w_owner, w_service;";
  tables_sql_ = sql + "set search_path = '';";
  Execute(tables_sql_);
  auto relations = ReadRelations(connection_, "public");
  TW_CHECK(relations.ok());
  relations_ = std::move(*relations);
  auto schema = ReadSchema(connection_, relations_);
  if (!schema.ok()) ADD_FAILURE() << schema.error();
  TW_CHECK(schema.ok());
  schema_ = std::move(*schema);
  Read();
}

void World::Read() {
  contents_.clear();
  rows_.clear();
  for (const RelationPtr& relation : relations_) {
    const auto rows = connection_.Query("select * from public." + relation->table);
    TW_CHECK(rows.ok());
    for (size_t i = 0; i < rows->size(); ++i) {
      Row row;
      for (size_t column = 0; column < relation->columns.size(); ++column) {
        row.push_back(ValueOf(*rows, i, column, relation->columns[column].type));
      }
      contents_[relation->table].push_back(std::move(row));
    }
  }
  for (const Row& row : contents_["t"]) rows_.emplace_back(*row[0].AsInt(), row);
}

void World::NewPolicies() {
  std::string sql = "begin; set local search_path = public;";
  const auto old = connection_.Query(
      "select format('drop policy %I on public.%I;', p.polname, c.relname) from pg_policy p join "
      "pg_class c on c.oid = p.polrelid");
  TW_CHECK(old.ok());
  for (size_t i = 0; i < old->size(); ++i) sql += old->Text(i, 0);
  constexpr const char* kRoles[] = {"public",  "public",  "public",    "w_user", "w_anon",
                                    "w_staff", "w_guest", "w_limited", "w_owner"};
  const auto policy = [&](const std::string& table, const std::string& name, const std::string& on) {
    const bool restrictive = Chance(20);
    const bool check_only = Chance(3);
    return "create policy " + name + " on " + table + " as " +
           (restrictive ? "restrictive" : "permissive") +
           (check_only ? " for insert" : Chance(80) ? " for select" : (Chance(70) ? " for all" : " for update")) +
           " to " + Pick(kRoles) + (check_only ? " with check (" : " using (") + on + ");";
  };
  std::string wanted;
  const uint64_t count = 1 + random_.Below(3);
  for (uint64_t i = 0; i < count; ++i) wanted += policy("t", "p" + std::to_string(i), Policy());
  for (const char* table : {"m", "o"}) {
    const uint64_t inner = random_.Below(3);
    for (uint64_t i = 0; i < inner; ++i) {
      const Scope scope = {{table, table}};
      const std::string on = Chance(60) ? Comparison(scope, 1) : Bool(scope, Chance(20) ? 2 : 1);
      wanted += policy(table, "q" + std::to_string(i), on);
    }
  }
  for (const char* table : {"t", "m", "o"}) {
    const bool target = table[0] == 't';
    wanted += "alter table " + std::string(table) + (target || Chance(50) ? " enable" : " disable") +
              " row level security; alter table " + table + (Chance(20) ? " force" : " no force") +
              " row level security; alter table " + table + " owner to " +
              (Chance(30) ? "w_owner" : "postgres") + ";";
  }
  if (Chance(10)) {
    wanted += "revoke select on m from w_anon; grant select(id, org) on m to w_anon;";
  } else {
    wanted += "grant select on m to w_anon;";
  }
  policies_sql_ = "set search_path = public;" + wanted;
  Execute(sql + wanted + "commit;");
  const Status read = ReadTableRights(connection_, relations_, schema_);
  if (!read.ok()) ADD_FAILURE() << read.error();
  TW_CHECK(read.ok());
}

std::vector<Reader> World::Readers() {
  constexpr const char* kRoles[] = {"w_user", "w_user", "w_user",    "w_anon",
                                    "w_staff", "w_limited", "w_owner", "w_service"};
  std::vector<Reader> readers;
  for (int i = 0; i < 6; ++i) {
    Reader reader;
    reader.role = Pick(kRoles);
    std::string claims = "{\"role\":\"" + reader.role + "\"";
    const auto add = [&](std::string_view name, const std::string& value) {
      claims += ",\"" + std::string(name) + "\":" + value;
    };
    if (Chance(90)) add("sub", Chance(2) ? "\"x\"" : "\"" + std::string(Pick(kUuids)) + "\"");
    if (Chance(90)) {
      add("org", Chance(2) ? "\"x\"" : (Chance(10) ? "null" : std::to_string(random_.Below(6))));
    }
    if (Chance(80)) add("name", "\"" + std::string(Pick(kTexts)) + "\"");
    if (Chance(70)) add("orgs", Pick({"[1,2]", "[\"3\"]", "[]", "[4,null]"}));
    if (Chance(60)) add("app", "{\"level\":" + std::to_string(random_.Below(4)) + "}");
    if (Chance(80)) add("amount", "\"" + std::string(Pick(kNumerics)) + "\"");
    reader.claims = claims + "}";
    readers.push_back(std::move(reader));
  }
  return readers;
}

std::optional<std::set<int64_t>> World::Shown(const Reader& reader, std::string& error) {
  Execute("begin; set local role " + reader.role +
          "; set local \"request.jwt.claims\" = " + postgres::QuoteLiteral(reader.claims));
  const auto rows = connection_.Query("select id from public.t");
  std::optional<std::set<int64_t>> shown;
  if (rows.ok()) {
    shown.emplace();
    for (size_t i = 0; i < rows->size(); ++i) shown->insert(rows->Int(i, 0));
  } else {
    error = rows.error().message;
  }
  Execute("rollback");
  return shown;
}

std::unique_ptr<InnerTables> World::Load(std::shared_ptr<const InnerPlan> plan) {
  auto tables = std::make_unique<InnerTables>(std::move(plan));
  for (uint32_t i = 0; i < tables->plan().tables().size(); ++i) {
    for (const Row& row : contents_[tables->plan().tables()[i].relation->table]) {
      tables->Load(i, row);
    }
  }
  tables->Loaded(0);
  return tables;
}

}  // namespace tw::policy::postgres_world
