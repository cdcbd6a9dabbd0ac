#include "app/config_history.h"

#include <algorithm>

namespace tw::app {
namespace {

constexpr char kSchema[] = R"sql(
create table if not exists tidewire_config(
  id integer primary key,
  source text not null,
  version text not null,
  text text not null,
  since text not null
);
)sql";

}  // namespace

Status NoteConfiguration(sqlite::Database& database, const Configuration& configuration,
                         std::span<const std::shared_ptr<const ingest::Source>> sources,
                         WallTime now) {
  TW_RETURN_IF_ERROR(database.Execute(kSchema));
  TW_ASSIGN_OR_RETURN(const auto known, RunningConfiguration(database));
  TW_ASSIGN_OR_RETURN(auto insert,
                      database.Prepare("insert into tidewire_config(source, version, text, since) "
                                       "values (?1, ?2, ?3, ?4)"));
  const std::string since = FormatTimestampMs(now);
  for (const auto& source : sources) {
    const auto ran = std::ranges::find(known, source->name, &RanVersion::source);
    if (ran != known.end() && ran->version == source->version) continue;
    const auto file = std::ranges::find_if(configuration.sources, [&](const SourceFile& candidate) {
      return *candidate.config.source == source->name;
    });
    if (file == configuration.sources.end()) continue;
    insert.BindText(1, source->name);
    insert.BindText(2, source->version);
    insert.BindText(3, file->text);
    insert.BindText(4, since);
    TW_RETURN_IF_ERROR(insert.Run());
  }
  return {};
}

Result<std::vector<RanVersion>> RunningConfiguration(sqlite::Database& database) {
  TW_ASSIGN_OR_RETURN(const int64_t exists, database.QueryInt("select count(*) from sqlite_schema "
                                                              "where name = 'tidewire_config'"));
  if (exists == 0) return std::vector<RanVersion>();
  TW_ASSIGN_OR_RETURN(auto read,
                      database.Prepare("select source, version, text, since from tidewire_config "
                                       "where id in (select max(id) from tidewire_config "
                                       "group by source) order by source"));
  std::vector<RanVersion> versions;
  for (;;) {
    TW_ASSIGN_OR_RETURN(const bool row, read.Step());
    if (!row) return versions;
    versions.push_back({std::string(read.ColumnText(0)), std::string(read.ColumnText(1)),
                        std::string(read.ColumnText(2)), std::string(read.ColumnText(3))});
  }
}

}  // namespace tw::app
