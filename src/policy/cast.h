// Conversions between types, with PostgreSQL's rules and messages. Source: PostgreSQL 15 manual §8,
// §10.4.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/datum.h"

namespace tw::policy {

// Whether CAST(from AS to) exists here.
bool CastExists(Type from, Type to);

// The value as `to`; NULL stays NULL. CastExists must hold. Errors go to `scratch` in PostgreSQL's
// words: `invalid input syntax for type integer: "abc"`.
Datum Cast(const Datum& value, Type from, Type to, Scratch& scratch);

// Reads a literal: what a quoted string of unknown type means as `to` (also "{a,b}" for arrays).
Datum ReadLiteral(std::string_view text, Type to, Scratch& scratch);

// The text that ::text gives. The value is not null.
std::string TextOf(const Datum& value, Base base);

// jsonb_out: keys by length, then bytes; ", " and ": " between.
void AppendJsonb(std::string& out, const json::Value& value);

// Days since 1970-01-01 of "YYYY-MM-DD"; nullopt for any other text.
std::optional<int64_t> ReadIsoDate(std::string_view text);
// Microseconds since 1970; `base` kTimestamp ignores a zone, as PostgreSQL does. A date alone is
// its midnight.
std::optional<int64_t> ReadMoment(std::string_view text, Base base);

}  // namespace tw::policy
