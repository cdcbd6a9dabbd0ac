#include "app/table_facts.h"

namespace tw::app {

Result<TableFacts> FactsOf(sqlite::Database& database, const std::string& table) {
  TableFacts facts;
  TW_ASSIGN_OR_RETURN(
      auto select,
      database.Prepare("select name, \"notnull\", dflt_value is not null or (pk > 0 and"
                       " lower(type) = 'integer') from pragma_table_info(?)"));
  select.BindText(1, table);
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, select.Step());
    if (!row) return facts;
    const std::string name(select.ColumnText(0));
    if (select.ColumnInt(1) != 0) facts.required.insert(name);
    if (select.ColumnInt(2) != 0) facts.with_default.insert(name);
  }
}

}  // namespace tw::app
