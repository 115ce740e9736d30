#include "cli/remote.hpp"

#include <boost/json/serialize.hpp>
#include <cstdlib>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "net/retry.hpp"
#include "os/file.hpp"

namespace lighterman::cli {
namespace {

constexpr std::size_t event_limit = 8 << 20;
/// The daemon sends a comment every 15 s.
constexpr std::chrono::seconds stream_silence{45};

ErrorKind kind_of(int status) noexcept {
  switch (status) {
    case 401:
    case 403:
      return ErrorKind::denied;
    case 404:
      return ErrorKind::not_found;
    case 409:
      return ErrorKind::conflict;
    case 429:
    case 502:
    case 503:
    case 504:
      return ErrorKind::unavailable;
    default:
      return status < 500 ? ErrorKind::invalid : ErrorKind::internal;
  }
}

[[noreturn]] void refuse(const net::Response& response) {
  std::string detail = concat("answered with status ", response.status);
  ErrorKind kind = kind_of(response.status);
  if (response.headers.find("Content-Type").value_or("").starts_with("application/problem+json")) {
    const auto problem = parse_json(response.body, "the daemon's answer");
    const Fields fields(problem, "the daemon's answer");
    detail = fields.text_or("detail", fields.text_or("title", detail));
    // Named in a body that was well formed: what it names is missing, not how it was said.
    if (fields.text_or("type", "").starts_with("urn:lighterman:problem:unknown-"))
      kind = ErrorKind::not_found;
  }
  if (response.status == 401)
    detail += " (LIGHTERMAN_TOKEN_FILE names the file that holds your token)";
  throw Error(kind, detail);
}

/// Server-sent events (WHATWG HTML, "server-sent events"), cut into their fields.
class EventReader {
 public:
  EventReader(std::string& last_id, const Remote::Event& event)
      : last_id_(last_id), event_(event) {}

  void feed(std::string_view bytes) {
    unread_ += bytes;
    if (unread_.size() > event_limit)
      throw Error(ErrorKind::invalid, "the daemon sent an event without an end");
    std::size_t from = 0;
    for (std::size_t end = 0; (end = unread_.find('\n', from)) != std::string::npos; from = end + 1)
      take(std::string_view(unread_).substr(from, end - from));
    unread_.erase(0, from);
  }
  const std::optional<boost::json::value>& last() const noexcept { return last_; }

 private:
  void take(std::string_view line) {
    const auto value_of = [&](std::string_view field) -> std::optional<std::string> {
      if (!line.starts_with(field)) return {};
      return std::string(trim(line.substr(field.size())));
    };
    if (line.empty()) {
      end_of_event();
    } else if (auto name = value_of("event:")) {
      name_ = std::move(*name);
    } else if (auto id = value_of("id:")) {
      id_ = std::move(*id);
    } else if (auto part = value_of("data:")) {
      data_ += *part;
    }
  }
  void end_of_event() {
    if (!data_.empty()) {
      boost::json::value value = parse_json(data_, "an event of the daemon");
      if (!id_.empty()) last_id_ = id_;
      event_(name_, value);
      if (name_ == "end") last_ = std::move(value);
    }
    name_.clear();
    id_.clear();
    data_.clear();
  }

  std::string& last_id_;
  const Remote::Event& event_;
  std::string unread_, name_, id_, data_;
  std::optional<boost::json::value> last_;
};

}  // namespace

Remote::Remote(std::string server, Secret token, std::string ca_file)
    : server_(std::move(server)), token_(std::move(token)), ca_file_(std::move(ca_file)) {
  while (server_.ends_with('/')) server_.pop_back();
}

Remote Remote::from_environment() {
  const char* server = std::getenv("LIGHTERMAN_SERVER");
  const char* file = std::getenv("LIGHTERMAN_TOKEN_FILE");
  const char* ca = std::getenv("LIGHTERMAN_CA_FILE");
  return {server && *server ? server : "http://127.0.0.1:7070",
          file && *file ? os::read_secret(concat("file:", file)) : Secret(), ca ? ca : ""};
}

net::Request Remote::request(const std::string& path) const {
  net::Request request;
  request.url = concat(server_, path);
  request.bearer = token_;
  request.trust.ca_file = ca_file_;
  return request;
}

boost::json::value Remote::answered(const net::Response& response) const {
  if (response.status >= 300) refuse(response);
  return parse_json(response.body, "the daemon's answer");
}

boost::json::value Remote::get(const std::string& path) {
  net::Request wanted = request(path);
  wanted.headers.add("Accept", "application/json");
  return answered(client_.perform(wanted));
}

boost::json::value Remote::post(const std::string& path, const boost::json::value& body,
                                const std::string& idempotency_key) {
  net::Request wanted = request(path);
  wanted.method = "POST";
  wanted.headers.add("Content-Type", "application/json");
  if (!idempotency_key.empty()) wanted.headers.add("Idempotency-Key", idempotency_key);
  wanted.body = boost::json::serialize(body);
  return answered(client_.perform(wanted));
}

void Remote::stream(const std::string& path, const Push& sink) {
  const net::Response response = client_.stream(request(path), sink);
  if (response.status >= 300) refuse(response);
}

boost::json::value Remote::follow(RunId run, const Event& event) {
  constexpr int patience = 12;
  net::Retry retry;
  retry.longest = std::chrono::seconds(10);
  std::string last_id;
  bool answered_once = false;
  for (int failures = 0;;) {
    const std::string before = last_id;
    try {
      net::Request wanted = request(concat("/api/v1/runs/", run, "/events"));
      wanted.headers.add("Accept", "text/event-stream");
      if (!last_id.empty()) wanted.headers.add("Last-Event-ID", last_id);
      wanted.silence_timeout = stream_silence;
      EventReader reader(last_id, event);
      const net::Response response = client_.stream(wanted, [&](std::string_view bytes) {
        answered_once = true;
        reader.feed(bytes);
      });
      if (response.status >= 300) refuse(response);
      if (reader.last()) return *reader.last();
      throw Error(ErrorKind::unavailable, "the daemon ended the log before the run ended");
    } catch (const Error& error) {
      // A daemon that was never there is told at once; one that was there may be restarting.
      if (error.kind() != ErrorKind::unavailable || !answered_once) throw;
      failures = last_id == before ? failures + 1 : 1;
      if (failures == patience) throw;
      net::pause(net::backoff(retry, failures), {});
    }
  }
}

std::function<int()> with_daemon(std::function<int(Remote&)> act) {
  return [act = std::move(act)] {
    Remote remote = Remote::from_environment();
    try {
      return act(remote);
    } catch (const Error& error) {
      // Which daemon was asked is the first thing to know.
      if (error.kind() != ErrorKind::unavailable) throw;
      throw Error(error.kind(), concat(remote.server(), ": ", error.what(),
                                       " (is the daemon running? LIGHTERMAN_SERVER says where)"));
    }
  };
}

}  // namespace lighterman::cli
