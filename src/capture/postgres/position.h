// Where a change of a Postgres database lies in the change log, computed from the WAL alone.
//
//   offset = commit LSN × 2^12 + number of the change in its commit, from 1
//
// Two commit records lie at least 34 bytes apart (a record's header and a time; PostgreSQL 15,
// access/xact.h), so 32 × 2^12 = 131 072 numbers fit between one commit and the next: offsets rise
// along the log, and every process that reads the same WAL computes the same ones.
//
// In a larger commit the changes before the last 131 071 have the number 0, "before this commit": a
// client that stopped among them gets the whole commit again, or the verdict "too_many", because no
// replay is that long (kReplayChangesMax).
// Decision: docs/decisions/0020-positions-from-the-wal.md.
#pragma once

#include <cstdint>

#include "postgres/lsn.h"

namespace tw::capture {

inline constexpr unsigned kOrdinalBits = 12;
inline constexpr uint64_t kOrdinalMax = (uint64_t{32} << kOrdinalBits) - 1;
// A replay may never begin among changes that share an offset.
inline constexpr uint64_t kReplayChangesMax = kOrdinalMax;
// 4 PiB of WAL since the cluster was made; beyond it we refuse to start.
inline constexpr postgres::Lsn kLsnMax{(uint64_t{1} << (64 - kOrdinalBits)) - 1};

// Before every change of the commit at `commit`, and after those of every earlier one.
constexpr uint64_t OffsetBefore(postgres::Lsn commit) { return commit.bytes << kOrdinalBits; }

// Of change `number` (from 1) of the `count` changes of the commit at `commit`.
constexpr uint64_t OffsetOf(postgres::Lsn commit, uint64_t number, uint64_t count) {
  const uint64_t unnumbered = count > kOrdinalMax ? count - kOrdinalMax : 0;
  return OffsetBefore(commit) + (number > unnumbered ? number - unnumbered : 0);
}

}  // namespace tw::capture
