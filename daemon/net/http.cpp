#include "net/http.hpp"

#include <array>

#include "core/error.hpp"
#include "core/text.hpp"
#include "net/exchange.hpp"

namespace lighterman::net {
namespace {

constexpr int most_redirects = 10;
constexpr std::size_t most_refusal = 64 << 10;

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// Ends an exchange whose answer is longer than anyone will read.
struct Enough {};

/// Where to go on, or empty when the answer is the last one. Changes the request accordingly.
std::optional<Url> next_hop(Request& request, const Url& url, const Response& answer) {
  const auto location = answer.headers.find("Location");
  if (!request.follow_redirects || !is_redirect(answer.status) || !location) return std::nullopt;
  const bool as_get = answer.status == 303 || (answer.status < 303 && request.method == "POST");
  // A stream cannot be sent twice; the caller sees where it should have gone.
  if (!as_get && std::holds_alternative<Upload>(request.body)) return std::nullopt;
  const Url next = url.resolve(*location);
  if (url.scheme == "https" && next.scheme == "http") {
    throw Error(
        ErrorKind::denied,
        concat(named(request, url), ": refused to follow a redirect from https to plain http at ",
               next.authority()));
  }
  if (as_get && request.method != "HEAD") {
    request.method = "GET";
    request.body = std::monostate();
  }
  // Whom one was told to believe unseen has no say in whom else.
  if (next.host != url.host) request.trust.verify = true;
  if (next.origin() != url.origin()) {
    request.basic.reset();
    request.bearer = Secret();
    request.unix_socket.clear();
    request.trust.client_certificate_file.clear();
    request.trust.client_key_file.clear();
    Headers kept;
    for (const auto& [name, value] : request.headers.fields()) {
      const std::string key = lower(name);
      if (key != "authorization" && key != "cookie" && key != "host") kept.add(name, value);
    }
    request.headers = kept;
  }
  return next;
}

}  // namespace

struct Client::Inside {
  Lines lines;

  Response exchange(const Request& request, const Url& url, Receiver receiver,
                    const std::stop_token& stop) {
    const bool with_body = request.body.index() != 0;
    auto line = lines.take(line_key(request, url, with_body));
    // The connection of a failed exchange is not kept: the line ends with it.
    Response answer =
        Exchange(*line, lines.share(), request, url, std::move(receiver)).perform(stop);
    lines.give_back(std::move(line));
    return answer;
  }

  /// Follows redirects; `receive` decides for each answer that is not one of them.
  template <class Receive>
  Response follow(Request request, Receive&& receive, const std::stop_token& stop) {
    Url url = Url::parse(request.url);
    for (int hop = 0;; ++hop) {
      const auto swallow = [&](const Response& head) {
        return request.follow_redirects && is_redirect(head.status) &&
               head.headers.find("Location").has_value();
      };
      Response answer = receive(request, url, swallow, [&](Receiver receiver) {
        return exchange(request, url, std::move(receiver), stop);
      });
      std::optional<Url> next = next_hop(request, url, answer);
      if (!next) return answer;
      if (hop == most_redirects) {
        throw Error(ErrorKind::invalid,
                    concat(named(request, url), ": more than ", most_redirects, " redirects"));
      }
      url = std::move(*next);
    }
  }
};

Client::Client() : inside_(std::make_unique<Inside>()) {}
Client::~Client() = default;

Response Client::perform(const Request& request, const std::stop_token& stop) {
  const auto receive = [](const Request& asked, const Url& url, const auto&, const auto& exchange) {
    std::string body;
    Response answer = exchange([&](const Response&) -> Push {
      body.clear();
      return [&](std::string_view bytes) {
        if (body.size() + bytes.size() > asked.body_limit) {
          throw Error(ErrorKind::invalid, concat(named(asked, url), ": the answer is longer than ",
                                                 render_size(asked.body_limit)));
        }
        body.append(bytes);
      };
    });
    answer.body = std::move(body);
    return answer;
  };
  return inside_->follow(request, receive, stop);
}

Response Client::stream(const Request& request, const Push& sink,
                        const std::function<void(const Response&)>& head,
                        const std::stop_token& stop) {
  const auto receive = [&](const Request&, const Url& url, const auto& swallow,
                           const auto& exchange) {
    std::string refusal;
    Response seen;
    try {
      Response answer = exchange([&](const Response& given) -> Push {
        seen.status = given.status;
        seen.headers = given.headers;
        seen.url = url.text();
        if (given.status >= 200 && given.status < 300) {
          if (head) head(seen);
          return sink;
        }
        const bool dropped = swallow(given);
        return [&refusal, dropped](std::string_view bytes) {
          if (dropped) return;
          refusal.append(bytes.substr(0, most_refusal - refusal.size()));
          if (refusal.size() == most_refusal) throw Enough();
        };
      });
      answer.body = std::move(refusal);
      return answer;
    } catch (const Enough&) {
      // A refusal needs no more words than this; the connection is given up for it.
      seen.body = std::move(refusal);
      return seen;
    }
  };
  return inside_->follow(request, receive, stop);
}

}  // namespace lighterman::net
