#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "engine/engine.hpp"
#include "engine/location.hpp"
#include "net/http.hpp"

namespace lighterman::engine {

/// The part of a URL behind '?', built up.
class Query {
 public:
  Query& add(std::string_view name, std::string_view value);
  const std::string& text() const noexcept { return text_; }  ///< with its '?', or empty

 private:
  std::string text_;
};

/// An image's name as a part of a URL's path.
std::string render_name(std::string_view image);

/// Speaks HTTP with one engine and words its failures. Any thread.
class Wire {
 public:
  explicit Wire(Options options);

  const Options& options() const noexcept { return options_; }

  /// What the engine's ping says; asked anew before each use, as the engine may have changed.
  struct Greeting {
    std::string api;  ///< the version both speak, "1.41"
    std::string os;
    std::optional<std::string> builder;  ///< Builder-Version, where the engine chose one
  };
  Greeting greet(const std::stop_token& stop);

  /// A request to `path` ("/images/json?all=1") of the negotiated version.
  net::Request request(std::string method, const Greeting& greeting, std::string_view path) const;
  /// Any status is an answer.
  net::Response perform(const net::Request& request, const std::stop_token& stop);
  net::Response stream(const net::Request& request, const Push& sink, const std::stop_token& stop);

  /// Runs `work`; its Error(unavailable) gets the engine's name and what to check.
  template <class Work>
  auto reaching(Work&& work) const {
    try {
      return work();
    } catch (const Error& error) {
      // Only this place knows which engine it was and what usually is wrong with it.
      if (error.kind() != ErrorKind::unavailable) throw;
      throw unreachable(error.what());
    }
  }

 private:
  Error unreachable(std::string_view why) const;

  Options options_;
  Address address_;
  net::Client client_;
};

/// The object of a successful answer; throws refusal() for another.
boost::json::object object_in(const net::Response& answer, std::string_view doing);
/// What an answer that is no success says, from JSON or plain text.
std::string message_of(const net::Response& answer);
/// That, as the Error its status stands for.
Error refusal(const net::Response& answer, std::string_view doing);

}  // namespace lighterman::engine
