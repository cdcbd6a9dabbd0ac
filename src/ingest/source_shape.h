// What a source file looks like, as data: for references and editors' schemas.
#pragma once

#include "config/shape.h"

namespace tw::ingest {

// The shape of SourceConfig as people write it: `stages` stands among the tables, and secrets may be
// named. LoadSourceConfig reads what this describes.
config::Shape SourceShape();

}  // namespace tw::ingest
