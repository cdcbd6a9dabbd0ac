// One transfer of the curl transport. Private to this room.
#pragma once

#include <curl/curl.h>

#include <cstdio>
#include <memory>
#include <string>

#include "fetch/curl_transport.h"

namespace tw::fetch {

struct CurlDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// A request with its curl handle and what has arrived of the answer. Made and used on the
// transport's thread.
class CurlTransfer {
 public:
  CurlTransfer(Request request, Done done, const CurlOptions& options, MonoTime now);

  // Readies the handle for the current URL. Errors: kInvalidArgument, kPermissionDenied, kInternal.
  Status Prepare();
  CURL* handle() { return handle_.get(); }

  // Whether a deadline that curl does not watch has passed: the first byte's, and the total of all
  // redirects together. Checked by the transport's loop.
  bool Late(MonoTime now) const;

  // What curl says at the transfer's end. True: a redirect is to be followed, Prepare again.
  Result<bool> Finish(CURLcode code);
  Error ErrorOf(CURLcode code) const;
  void Complete(Result<Response> result) { done_(std::move(result)); }
  Response TakeResponse() { return std::move(response_); }

 private:
  static curl_socket_t OnOpenSocket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static size_t OnHeader(char* bytes, size_t size, size_t count, void* self);
  static size_t OnBody(char* bytes, size_t size, size_t count, void* self);
  Status CheckUrl();
  Result<bool> Redirect();
  bool Keep(std::string_view bytes);

  Request request_;
  Done done_;
  const CurlOptions& options_;
  const MonoTime started_;
  std::unique_ptr<CURL, CurlDeleter> handle_;
  std::unique_ptr<curl_slist, CurlDeleter> headers_;
  std::unique_ptr<std::FILE, CurlDeleter> file_;
  Response response_;
  bool answered_ = false;
  bool too_large_ = false;
  bool disk_failed_ = false;
  uint32_t redirects_ = 0;
  std::string refused_;  // The address that the guard refused.
};

}  // namespace tw::fetch
