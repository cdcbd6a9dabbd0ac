#include "postgres/search_path.h"

namespace tw::postgres {

Status UseDatabaseSearchPath(Connection& connection) {
  TW_RETURN_IF_ERROR(connection.Query(
      "select set_config('search_path', coalesce((select substr(c, length('search_path=') + 1) "
      "from pg_catalog.pg_db_role_setting s, unnest(s.setconfig) c where c like 'search\\_path=%' "
      "and s.setrole in (0, (select oid from pg_catalog.pg_roles where rolname = current_user)) "
      "and s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = "
      "current_database())) order by s.setrole <> 0 desc, s.setdatabase <> 0 desc limit 1), "
      "(select boot_val from pg_catalog.pg_settings where name = 'search_path')), false)"));
  return {};
}

}  // namespace tw::postgres
