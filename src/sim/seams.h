// Where a test may put a broken part in the place of a sound one, to prove that the simulation
// notices. The defaults change nothing.
#pragma once

#include <cstdint>

#include "app/prepared_store.h"
#include "base/result.h"
#include "ingest/inbox/inbox_writer.h"
#include "model/change.h"
#include "sqlite/sqlite.h"

namespace tw::sim {

class Life;

class Seams {
 public:
  virtual ~Seams() = default;

  // How hard the store commits.
  virtual sqlite::Durability durability() { return sqlite::Durability::kFull; }
  // Before the applier is made.
  virtual void OnStoreOpened(app::PreparedStore&) {}
  // A delivery was queued; `sink` answers its sender.
  virtual void OnSubmitted(ingest::CompletionToken, ingest::CompletionSink&) {}
  // What the loops get of a committed batch.
  virtual BatchPtr OnPublish(BatchPtr batch) { return batch; }
  // What a resuming session gets of the stored log.
  virtual Result<BatchPtr> OnHistory(Result<BatchPtr> batch) { return batch; }
  // What the inbox is told to forget.
  virtual uint64_t OnReclaim(uint64_t applied, uint64_t durable) {
    (void)durable;
    return applied;
  }
  // Within another program's transaction, before it commits or gives up.
  virtual void BeforeEditEnds(Life&) {}
};

}  // namespace tw::sim
