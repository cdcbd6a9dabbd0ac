#include "ingest/source.h"

#include "crypto/encoding.h"
#include "crypto/hash.h"
#include "ingest/schema_view.h"
#include "ingest/source_compiler.h"

namespace tw::ingest {

Result<std::shared_ptr<const Source>> CompileSource(const SourceConfig& config,
                                                    std::string_view text,
                                                    sqlite::Database& database) {
  TW_ASSIGN_OR_RETURN(const SchemaView schema, ReadSchema(database));
  return CompileSource(config, text, schema);
}

Result<std::shared_ptr<const Source>> CompileSource(const SourceConfig& config,
                                                    std::string_view text,
                                                    const SchemaView& schema) {
  constexpr size_t kVersionBytes = 6;
  auto source = std::make_shared<Source>();
  source->version = crypto::EncodeHex(crypto::Sha256(text).view().substr(0, kVersionBytes));
  config::Problems problems;
  SourceCompiler(config, schema, *source, problems).Run();
  TW_RETURN_IF_ERROR(problems.ToStatus());
  return source;
}

}  // namespace tw::ingest
