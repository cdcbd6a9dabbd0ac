// config: YAML files → typed structs.
//
//   text ──ParseYaml──▶ Node ──overrides──▶ Node ──Describe──▶ struct        (findings at their
//   place)
//                              Describe ──▶ Shape ──▶ JSON Schema, Markdown
//
// Start here   describe.h (how a struct is described) → load.h → generate.h; node.h for free parts.
// Promises     YAML 1.2 core only; no key is ignored; each finding has file, line and column, and
//              one run reports many. Secrets come from the environment or a file and are never
//              printed.
// Not here     What the keys mean: each room describes its own structs.
#pragma once

#include "config/describe.h"
#include "config/environment.h"
#include "config/generate.h"
#include "config/load.h"
#include "config/node.h"
#include "config/types.h"
#include "config/write.h"
