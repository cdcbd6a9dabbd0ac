// What a database says about claims, asked before bindings are resolved.
#pragma once

#include "base/function.h"
#include "base/result.h"
#include "model/claims.h"
#include "policy/catalog.h"
#include "policy/claims_values.h"

namespace tw::session {

// Implemented by app. One per loop.
class RightsSource {
 public:
  virtual ~RightsSource() = default;
  // Calls `done` later, on the caller's loop. Errors: kUnavailable, kResourceExhausted,
  // kPermissionDenied (our role may not become the claims').
  virtual void Evaluate(policy::CatalogPtr catalog, ClaimsPtr claims,
                        Function<void(Result<policy::ClaimsValuesPtr>)> done) = 0;
};

}  // namespace tw::session
