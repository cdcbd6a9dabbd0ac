#include "fetch/curl_transfer.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace tw::fetch {
namespace {

constexpr size_t kHeaderBytesMax = 64u << 10;
constexpr int kRedirectMin = 300;
constexpr int kRedirectMax = 399;

std::optional<IpAddress> AddressOf(const sockaddr& socket_address) {
  if (socket_address.sa_family == AF_INET) {
    sockaddr_in four;
    std::memcpy(&four, &socket_address, sizeof(four));
    IpAddress address = *ParseAddress("0.0.0.0");
    std::memcpy(address.bytes.data() + 12, &four.sin_addr, 4);
    return address;
  }
  if (socket_address.sa_family == AF_INET6) {
    sockaddr_in6 six;
    std::memcpy(&six, &socket_address, sizeof(six));
    IpAddress address;
    std::memcpy(address.bytes.data(), &six.sin6_addr, address.bytes.size());
    return address;
  }
  return std::nullopt;
}

std::unique_ptr<CURLU, CurlDeleter> ParseUrl(const std::string& url) {
  std::unique_ptr<CURLU, CurlDeleter> parsed(curl_url());
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return nullptr;
  return parsed;
}

std::string Part(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) return {};
  std::string copy(text);
  curl_free(text);
  return copy;
}

std::string Origin(CURLU* url) {
  return Part(url, CURLUPART_SCHEME) + "://" + ToLower(Part(url, CURLUPART_HOST)) + ":" +
         Part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

}  // namespace

CurlTransfer::CurlTransfer(Request request, Done done, const CurlOptions& options, MonoTime now)
    : request_(std::move(request)), done_(std::move(done)), options_(options), started_(now) {}

Status CurlTransfer::CheckUrl() {
  const auto url = ParseUrl(request_.url);
  const std::string scheme = url == nullptr ? "" : Part(url.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return Fail(ErrorCode::kInvalidArgument, "not an http or https URL: " + PublicUrl(request_.url));
  }
  std::string host = Part(url.get(), CURLUPART_HOST);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  // Behind a proxy no socket of ours would show it.
  if (const auto address = ParseAddress(host); address && !options_.guard.Allows(*address)) {
    refused_ = ToString(*address) + " (" + std::string(ToString(KindOf(*address))) + ")";
    return std::unexpected(ErrorOf(CURLE_COULDNT_CONNECT));
  }
  return {};
}

Status CurlTransfer::Prepare() {
  TW_RETURN_IF_ERROR(CheckUrl());
  if (handle_ == nullptr) handle_.reset(curl_easy_init());
  if (handle_ == nullptr) return Fail(ErrorCode::kInternal, "libcurl has no memory");
  CURL* h = handle_.get();
  curl_easy_reset(h);
  curl_easy_setopt(h, CURLOPT_PRIVATE, this);
  curl_easy_setopt(h, CURLOPT_URL, request_.url.c_str());
  curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
  curl_easy_setopt(h, CURLOPT_PROXY, options_.proxy.c_str());
  curl_easy_setopt(h, CURLOPT_USERAGENT, options_.user_agent.c_str());
  if (!options_.ca_file.empty()) curl_easy_setopt(h, CURLOPT_CAINFO, options_.ca_file.c_str());
  curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, long{request_.deadlines.connect.count()});
  curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, long{request_.deadlines.total.count()});
  curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, &CurlTransfer::OnOpenSocket);
  curl_easy_setopt(h, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, &CurlTransfer::OnHeader);
  curl_easy_setopt(h, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, &CurlTransfer::OnBody);
  curl_easy_setopt(h, CURLOPT_WRITEDATA, this);
  if (request_.method == Method::kPost) {
    curl_easy_setopt(h, CURLOPT_POST, 1L);
    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    curl_easy_setopt(h, CURLOPT_POSTFIELDS, request_.body.c_str());
  }
  headers_.reset();
  for (const Header& header : request_.headers) {
    const std::string line = header.name + ": " + header.value;
    if (line.find_first_of("\r\n") != std::string::npos) {
      return Fail(ErrorCode::kInvalidArgument, "line break in header " + header.name);
    }
    headers_.reset(curl_slist_append(headers_.release(), line.c_str()));
  }
  curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers_.get());
  response_ = {};
  response_.url = request_.url;
  answered_ = false;
  return {};
}

bool CurlTransfer::Late(MonoTime now) const {
  const auto taken = now - started_;
  return taken > request_.deadlines.total || (!answered_ && taken > request_.deadlines.first_byte);
}

curl_socket_t CurlTransfer::OnOpenSocket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  const auto ip = AddressOf(address->addr);
  if (!ip || !transfer.options_.guard.Allows(*ip)) {
    transfer.refused_ =
        ip ? ToString(*ip) + " (" + std::string(ToString(KindOf(*ip))) + ")" : "no IP address";
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

size_t CurlTransfer::OnHeader(char* bytes, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  transfer.answered_ = true;
  const std::string_view line = Trim(std::string_view(bytes, size * count));
  // A further block begins: what came before was an interim answer (100, a proxy's).
  if (line.starts_with("HTTP/")) transfer.response_.headers.clear();
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size * count;
  size_t total = line.size();
  for (const Header& header : transfer.response_.headers) {
    total += header.name.size() + header.value.size();
  }
  if (total > kHeaderBytesMax) {
    transfer.too_large_ = true;
    return 0;
  }
  transfer.response_.headers.push_back(
      {std::string(line.substr(0, colon)), std::string(Trim(line.substr(colon + 1)))});
  return size * count;
}

bool CurlTransfer::Keep(std::string_view bytes) {
  response_.body_bytes += bytes.size();
  if (response_.body_bytes > request_.response_bytes_max) {
    too_large_ = true;
    return false;
  }
  long status = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (request_.save_to.empty() || status < 200 || status > 299) {
    response_.body += bytes;
    return true;
  }
  if (file_ == nullptr) file_.reset(std::fopen(request_.save_to.c_str(), "wbe"));
  disk_failed_ = file_ == nullptr ||
                 std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size();
  return !disk_failed_;
}

size_t CurlTransfer::OnBody(char* bytes, size_t size, size_t count, void* self) {
  auto& transfer = *static_cast<CurlTransfer*>(self);
  return transfer.Keep({bytes, size * count}) ? size * count : 0;
}

Error CurlTransfer::ErrorOf(CURLcode code) const {
  const std::string at = PublicUrl(request_.url);
  const auto error = [&](ErrorCode kind, std::string_view text) {
    return Error{kind, at + ": " + std::string(text)};
  };
  if (!refused_.empty() && code == CURLE_COULDNT_CONNECT) {
    return error(ErrorCode::kPermissionDenied,
                 "requests to " + refused_ + " are not allowed; see outbound.allow_addresses");
  }
  if (too_large_) return error(ErrorCode::kResourceExhausted, "the answer is too large");
  if (disk_failed_) return error(ErrorCode::kResourceExhausted, "the answer cannot be saved");
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return error(ErrorCode::kUnauthenticated, "the certificate is not valid for it");
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return error(ErrorCode::kInvalidArgument, "not an http or https URL");
    case CURLE_OPERATION_TIMEDOUT:
      return error(ErrorCode::kUnavailable, "no complete answer in time");
    default:
      return error(ErrorCode::kUnavailable, curl_easy_strerror(code));
  }
}

Result<bool> CurlTransfer::Finish(CURLcode code) {
  if (file_ != nullptr && std::fclose(file_.release()) != 0) disk_failed_ = true;
  if (code != CURLE_OK || disk_failed_) return std::unexpected(ErrorOf(code));
  long status = 0;
  curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  response_.status = static_cast<int>(status);
  const bool redirect = response_.status >= kRedirectMin && response_.status <= kRedirectMax &&
                        response_.status != 304 && response_.Find("location").has_value();
  if (!redirect || request_.method != Method::kGet) return false;
  return Redirect();
}

// Followed by us, not by curl, so that every target passes the same checks as the first.
Result<bool> CurlTransfer::Redirect() {
  if (++redirects_ > request_.redirects_max) {
    return Fail(ErrorCode::kResourceExhausted, PublicUrl(request_.url) + ": too many redirects");
  }
  const auto before = ParseUrl(request_.url);
  const auto after = ParseUrl(request_.url);
  const std::string location(*response_.Find("location"));
  if (curl_url_set(after.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) {
    return Fail(ErrorCode::kInvalidArgument,
                PublicUrl(request_.url) + ": redirects to what is no URL");
  }
  if (Part(before.get(), CURLUPART_SCHEME) == "https" &&
      Part(after.get(), CURLUPART_SCHEME) != "https") {
    return Fail(ErrorCode::kPermissionDenied,
                PublicUrl(request_.url) + ": redirects from https to http");
  }
  if (Origin(before.get()) != Origin(after.get())) {
    std::erase_if(request_.headers, [&](const Header& header) {
      return EqualsIgnoreCase(header.name, "authorization") ||
             EqualsIgnoreCase(header.name, "cookie") ||
             std::ranges::any_of(request_.credential_headers, [&](const std::string& name) {
               return EqualsIgnoreCase(header.name, name);
             });
    });
  }
  request_.url = Part(after.get(), CURLUPART_URL);
  return true;
}

}  // namespace tw::fetch
