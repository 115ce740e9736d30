#include "net/retry.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <ctime>
#include <mutex>
#include <random>

namespace lighterman::net {

std::optional<std::chrono::milliseconds> retry_after(const Response& answer) {
  const auto field = answer.headers.find("Retry-After");
  if (!field) return std::nullopt;
  const std::string_view text = trim(*field);
  // A server that asks for a day gets an hour: by then a person should have looked.
  constexpr std::int64_t longest = 3600;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) {
    const time_t when = curl_getdate(field->c_str(), nullptr);
    if (when == -1) return std::nullopt;
    seconds = static_cast<std::int64_t>(when) - static_cast<std::int64_t>(std::time(nullptr));
  }
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, longest));
}

void pause(std::chrono::milliseconds length, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, length, [] { return false; });
  if (stop.stop_requested()) throw Error(ErrorKind::cancelled, "stopped while waiting");
}

std::chrono::milliseconds backoff(const Retry& retry, int attempt) {
  const std::int64_t most = std::max<std::int64_t>(0, retry.longest.count());
  std::int64_t length = std::max<std::int64_t>(0, retry.first.count());
  for (int doubled = 1; doubled < attempt && length < most; ++doubled) length *= 2;
  length = std::min(length, most);
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::uniform_int_distribution<std::int64_t> upper_half(length - length / 2, length);
  return std::chrono::milliseconds(upper_half(random));
}

}  // namespace lighterman::net
