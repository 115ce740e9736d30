#include "net/retry.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <random>

namespace lighterman::net {

using std::chrono::milliseconds;

std::optional<milliseconds> retry_after(const Response& answer) {
  const auto field = answer.headers.find("Retry-After");
  if (!field) return {};
  constexpr milliseconds longest = std::chrono::hours(1);
  const std::string text(trim(*field));
  std::uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error == std::errc() && end == text.data() + text.size()) {
    return std::min<milliseconds>(std::chrono::seconds(seconds), longest);
  }
  const time_t date = curl_getdate(text.c_str(), nullptr);
  if (date < 0) return {};
  const auto wait = std::chrono::system_clock::from_time_t(date) - std::chrono::system_clock::now();
  return std::clamp(std::chrono::duration_cast<milliseconds>(wait), milliseconds(0), longest);
}

void pause(milliseconds length, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, length, [] { return false; });
  if (stop.stop_requested())
    throw Error(ErrorKind::cancelled, "stopped while waiting to try again");
}

milliseconds backoff(const Retry& retry, int attempt) {
  const int doublings = std::clamp(attempt - 1, 0, 20);
  const milliseconds whole =
      std::min<milliseconds>(retry.first * (1LL << doublings), retry.longest);
  thread_local std::minstd_rand random{std::random_device{}()};
  std::uniform_int_distribution<long long> upper(whole.count() / 2,
                                                 std::max<long long>(whole.count(), 1));
  return milliseconds(upper(random));
}

}  // namespace lighterman::net
