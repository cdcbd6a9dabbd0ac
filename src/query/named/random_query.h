// For this room's tests only: random schemas, policies, queries and writes over few values, so that
// what may meet does meet.
#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "policy/policy.h"

namespace tw::query {

struct RandomTable {
  std::string name;
  std::vector<std::string> columns;  // Without the key `id`.
};

class RandomSchema {
 public:
  explicit RandomSchema(Random& random) : random_(random) {
    const size_t count = 2 + random_.Below(2);
    for (size_t i = 0; i < count; ++i) {
      RandomTable table{.name = "t" + std::to_string(i)};
      const size_t columns = 3 + random_.Below(3);
      ddl_ += "create table " + table.name + "(id integer primary key";
      for (size_t c = 0; c < columns; ++c) {
        table.columns.push_back("c" + std::to_string(c));
        ddl_ += ", " + table.columns.back() + " " + Pick(kTypes);
        if (random_.Percent(8)) ddl_ += " collate nocase";
      }
      ddl_ += ");";
      if (random_.Percent(30)) {
        ddl_ += "create index i" + std::to_string(i) + " on " + table.name + "(c0, c1);";
      }
      tables_.push_back(std::move(table));
    }
    if (random_.Percent(40)) {
      ddl_ += "create view v as select id, c0 as vc0, c1 as vc1 from t0 where c1 is not null;";
      has_view_ = true;
    }
  }

  const std::string& ddl() const { return ddl_; }
  const std::vector<RandomTable>& tables() const { return tables_; }
  bool has_view() const { return has_view_; }

  std::string Policy() {
    switch (random_.Below(5)) {
      case 0: return "id % 2 = (auth.jwt() ->> 'parity')::int";
      case 1: return "id = any ('{1,2,3,4,5,6}'::int[]) or auth.uid() = 'a'";
      case 2: return "id > 3 and auth.jwt() ->> 'parity' is not null";
      default: return "true";
    }
  }

  std::string Literal() {
    static const std::vector<std::string> kValues = {
        "0", "1", "2", "3", "-1", "'a'", "'b'", "'A'", "'1'", "'01'", "''", "1.0", "0.5", "'2.0'",
        "'2026-01-02'", "9007199254740993", "NULL"};
    return Pick(kValues);
  }

  // One write of one or a few rows.
  std::string Write() {
    const RandomTable& table = tables_[random_.Below(tables_.size())];
    const std::string id = std::to_string(1 + random_.Below(12));
    const auto assignment = [&] { return Pick(table.columns) + " = " + Literal(); };
    switch (random_.Below(6)) {
      case 0:
      case 1: {
        std::string names = "id", values = id;
        for (const std::string& column : table.columns) {
          names += ", " + column;
          values += ", " + Literal();
        }
        return "insert into " + table.name + "(" + names + ") values(" + values +
               ") on conflict(id) do update set " + assignment();
      }
      case 2: return "delete from " + table.name + " where id = " + id;
      case 3: return "update " + table.name + " set " + assignment() + " where id <= " + id;
      case 4:
        return "update " + table.name + " set id = id + 20, " + assignment() + " where id = " + id +
               " and not exists (select 1 from " + table.name + " where id = " + id + " + 20)";
      default: return "update " + table.name + " set " + assignment() + " where id = " + id;
    }
  }

  // A SELECT with a total order; its parameters are :p0 … :p3.
  std::string Query() {
    const RandomTable& a = tables_[random_.Below(tables_.size())];
    const RandomTable& b = tables_[random_.Below(tables_.size())];
    switch (random_.Below(10)) {
      case 0:
      case 1:
        return "select " + (random_.Percent(30) ? "*" : "id, " + Pick(a.columns)) + " from " +
               a.name + " where " + Condition(a, "") + " order by id" +
               (random_.Percent(30) ? " limit 3" : "");
      case 2: {
        const std::string kind = Pick({" join ", " left join ", " right join ", " full join "});
        return "select a.id as x, b.id as y, a." + Pick(a.columns) + " as z from " + a.name +
               " a" + kind + b.name + " b on a." + Pick(a.columns) + " = b." + Pick(b.columns) +
               (random_.Percent(50) ? " and " + Simple(b, "b.") : "") +
               (random_.Percent(30) ? " and " + Simple(a, "a.") : "") + " where " +
               (random_.Percent(60) ? Condition(a, "a.") : "true") + " order by 1, 2";
      }
      case 3:
        return "select count(*) as n, sum(" + Pick(a.columns) + ") as s from " + a.name +
               " where " + Condition(a, "");
      case 4:
        return "select id from " + a.name + " where " + Pick({"exists", "not exists"}) +
               " (select 1 from " + b.name + " x where x." + Pick(b.columns) + " = " + a.name +
               "." + Pick(a.columns) + " and " + Simple(b, "x.") + ") order by id";
      case 5:
        return "select id, " + Pick(a.columns) + " as v from " + a.name + " where " +
               Condition(a, "") + " union all select id, " + Pick(b.columns) + " from " + b.name +
               " where " + Simple(b, "") + " order by 1, 2";
      case 6:
        return "with w as (select id, " + Pick(a.columns) + " as k from " + a.name + " where " +
               Condition(a, "") + ") select w.id as x, b.id as y from w join " + b.name +
               " b on b." + Pick(b.columns) + " = w.k where b.id > :p0 order by 1, 2";
      case 7:
        return "select " + Pick(a.columns) + " as g, count(*) as n from " + a.name + " where " +
               Condition(a, "") + " group by 1 order by 1, 2";
      case 8:
        if (has_view_) {
          return "select v.id, v.vc0 from v where " + Pick({"v.vc0", "v.vc1"}) + " = :p1 order by 1";
        }
        return "select id from " + a.name + " where id in (select id from " + b.name + " where " +
               Simple(b, "") + ") order by id";
      default:
        return "select distinct " + Pick(a.columns) + " as v from " + a.name + " where " +
               Condition(a, "") + " order by 1";
    }
  }

 private:
  template <typename Items>
  std::string Pick(const Items& items) {
    return *(items.begin() + static_cast<ptrdiff_t>(random_.Below(items.size())));
  }
  std::string Pick(std::initializer_list<const char*> items) {
    return *(items.begin() + random_.Below(items.size()));
  }
  std::string Operand() {
    if (random_.Percent(55)) return ":p" + std::to_string(random_.Below(4));
    return Literal();
  }
  std::string Simple(const RandomTable& table, const std::string& prefix) {
    const std::string column =
        prefix + (random_.Percent(20) ? std::string("id") : Pick(table.columns));
    switch (random_.Below(9)) {
      case 0: return column + Pick({" < ", " <= ", " > ", " >= "}) + Operand();
      case 1: return Operand() + Pick({" < ", " >= "}) + column;
      case 2: return column + " between " + Operand() + " and " + Operand();
      case 3: return column + " in (" + Operand() + ", " + Operand() + ")";
      case 4: return column + Pick({" is null", " is not null"});
      case 5: return column + " <> " + Operand();
      default: return column + " = " + Operand();
    }
  }
  std::string Condition(const RandomTable& table, const std::string& prefix) {
    std::string text = Simple(table, prefix);
    if (random_.Percent(50)) text += " and " + Simple(table, prefix);
    if (random_.Percent(15)) text = "(" + text + " or " + Simple(table, prefix) + ")";
    if (random_.Percent(8)) text = "not (" + text + ")";
    return text;
  }

  static inline const std::vector<std::string> kTypes = {
      "text", "bigint", "numeric", "boolean", "timestamptz", "double precision", "uuid",
      "varchar(9)", "", "jsonb"};

  Random& random_;
  std::string ddl_;
  std::vector<RandomTable> tables_;
  bool has_view_ = false;
};

}  // namespace tw::query
