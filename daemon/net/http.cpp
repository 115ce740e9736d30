#include "net/http.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "core/error.hpp"
#include "core/guarded.hpp"
#include "net/transfer.hpp"

namespace lighterman::net {

std::optional<std::string> Headers::find(std::string_view name) const {
  const std::string wanted = lower(name);
  for (const auto& [known, value] : fields_) {
    if (lower(known) == wanted) return value;
  }
  return {};
}

std::vector<std::string> Headers::all(std::string_view name) const {
  const std::string wanted = lower(name);
  std::vector<std::string> values;
  for (const auto& [known, value] : fields_) {
    if (lower(known) == wanted) values.push_back(value);
  }
  return values;
}

struct Client::Inside {
  static constexpr std::size_t most_kept = 16;
  Guarded<std::vector<Line>> idle;

  Response perform(const Request& request, const Push* sink,
                   const std::function<void(const Response&)>* head, const std::stop_token& stop) {
    Line line = idle.with([](std::vector<Line>& lines) {
      if (lines.empty()) return Line{};
      Line last = std::move(lines.back());
      lines.pop_back();
      return last;
    });
    if (!line.multi) line = open_line();
    Response response = Transfer(line, request, sink, head).perform(stop);
    // After a failure the line is dropped: its connection's state is not known.
    idle.with([&](std::vector<Line>& lines) {
      if (lines.size() < most_kept) lines.push_back(std::move(line));
    });
    return response;
  }
};

Client::Client() : inside_(std::make_unique<Inside>()) {}
Client::~Client() = default;

Response Client::perform(const Request& request, const std::stop_token& stop) {
  return inside_->perform(request, nullptr, nullptr, stop);
}

Response Client::stream(const Request& request, const Push& sink,
                        const std::function<void(const Response&)>& head,
                        const std::stop_token& stop) {
  return inside_->perform(request, &sink, &head, stop);
}

struct Download::Inside {
  static constexpr std::size_t most_waiting = 1 << 20;
  std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<std::string> waiting;
  std::size_t waiting_bytes = 0, front_read = 0;
  bool has_head = false, ended = false;
  Response head;
  std::exception_ptr thrown;
  std::stop_source stop;
  std::jthread worker;

  void take(std::string_view bytes) {
    std::unique_lock lock(mutex);
    const bool go =
        changed.wait(lock, stop.get_token(), [&] { return waiting_bytes < most_waiting; });
    if (!go) throw Error(ErrorKind::cancelled, "download stopped");
    waiting.emplace_back(bytes);
    waiting_bytes += bytes.size();
    changed.notify_all();
  }
  void tell_head(const Response& response) {
    const std::lock_guard lock(mutex);
    if (has_head) return;
    head = response;
    has_head = true;
    changed.notify_all();
  }
  void run(Client& client, const Request& request) {
    try {
      const Response response = client.stream(
          request, [this](std::string_view bytes) { take(bytes); },
          [this](const Response& seen) { tell_head(seen); }, stop.get_token());
      const std::lock_guard lock(mutex);
      head = response;
    } catch (...) {
      // The reader throws it on, on its own thread.
      const std::lock_guard lock(mutex);
      thrown = std::current_exception();
    }
    const std::lock_guard lock(mutex);
    has_head = ended = true;
    changed.notify_all();
  }
};

Download::Download(Client& client, Request request, const std::stop_token& stop)
    : inside_(std::make_unique<Inside>()) {
  Inside& inside = *inside_;
  inside.worker = std::jthread([&inside, &client, request = std::move(request), stop] {
    const std::stop_callback pass_on(stop, [&] { inside.stop.request_stop(); });
    inside.run(client, request);
  });
  std::unique_lock lock(inside.mutex);
  // For another status than 2xx its (short) body is waited for.
  inside.changed.wait(lock, [&] {
    return inside.ended ||
           (inside.has_head && inside.head.status >= 200 && inside.head.status < 300);
  });
  if (inside.thrown && inside.waiting.empty() && inside.head.status == 0)
    std::rethrow_exception(inside.thrown);
}

Download::~Download() {
  inside_->stop.request_stop();
  inside_->changed.notify_all();
}

const Response& Download::head() const noexcept { return inside_->head; }

std::size_t Download::read(char* into, std::size_t room) {
  Inside& inside = *inside_;
  std::unique_lock lock(inside.mutex);
  inside.changed.wait(lock, [&] { return inside.ended || !inside.waiting.empty(); });
  if (inside.waiting.empty()) {
    if (inside.thrown) std::rethrow_exception(inside.thrown);
    return 0;
  }
  const std::string& front = inside.waiting.front();
  const std::size_t part = std::min(room, front.size() - inside.front_read);
  std::copy_n(front.data() + inside.front_read, part, into);
  inside.front_read += part;
  if (inside.front_read == front.size()) {
    inside.waiting_bytes -= front.size();
    inside.waiting.pop_front();
    inside.front_read = 0;
    inside.changed.notify_all();
  }
  return part;
}

}  // namespace lighterman::net
