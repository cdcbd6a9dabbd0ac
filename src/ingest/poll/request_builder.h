// From a plan and a tenant to a request that can be sent.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "fetch/transport.h"
#include "ingest/poll/plan.h"
#include "ingest/poll/pull_work.h"
#include "ingest/source.h"

namespace tw::ingest {

// What requests of one run may name: the tenant, its credentials, the source's secrets.
StringMap<std::string> RequestNames(const Source& source, const PulledTenant& tenant);

// Errors: kFailedPrecondition naming a placeholder that has no value, as a missing credential.
Result<fetch::Request> BuildRequest(const Source& source, const RequestPlan& plan,
                                    const TemplateValues& values);

// The same for a link that an answer gave. Errors: kPermissionDenied when it leads anywhere but
// below the client's base_url.
Result<fetch::Request> BuildLink(const Source& source, const RequestPlan& plan,
                                 const TemplateValues& values, std::string_view link);

// Appends name=value to the URL's query, encoded.
void AddQuery(std::string& url, std::string_view name, std::string_view value);

}  // namespace tw::ingest
