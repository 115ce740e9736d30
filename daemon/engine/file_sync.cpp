#include "engine/file_sync.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "core/text.hpp"
#include "engine/lines.hpp"

namespace lighterman::engine {
namespace {

namespace filesync = ::moby::filesync::v1;
using filesync::Packet;

/// Go's os.FileMode (pkg.go.dev/io/fs#FileMode).
constexpr std::uint32_t go_folder = 1U << 31, go_symlink = 1U << 27;
/// Engines take 4 MiB in one message at least.
constexpr std::size_t longest_part = 1 << 20;

filesync::Stat stat_of(const os::TarEntry& entry) {
  using Type = os::TarEntry::Type;
  filesync::Stat stat;
  stat.set_path(entry.path);
  stat.set_mode(entry.mode | (entry.type == Type::folder    ? go_folder
                              : entry.type == Type::symlink ? go_symlink
                                                            : 0));
  stat.set_size(static_cast<std::int64_t>(entry.size));
  stat.set_modtime(entry.seconds * 1'000'000'000 + entry.nanoseconds);
  stat.set_linkname(entry.link);
  return stat;
}

/// Go's url.QueryUnescape; what is no escape stays.
std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = text[i] == '%' ? parse_hex(text.substr(i + 1, 2)) : std::nullopt;
    if (byte && byte->size() == 1) {
      plain += *byte;
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

/// The call's metadata. Values with a byte outside ASCII come escaped, which a companion key tells.
class Metadata {
 public:
  explicit Metadata(const ::grpc::ServerContext& context) : values_(context.client_metadata()) {}

  std::vector<std::string> all(const std::string& key) const {
    const bool escaped = values_.count(concat(key, "-encoded")) != 0;
    std::vector<std::string> found;
    const auto [begin, end] = values_.equal_range(key);
    for (auto at = begin; at != end; ++at) {
      const std::string value(at->second.data(), at->second.size());
      found.push_back(escaped ? unescaped(value) : value);
    }
    return found;
  }
  std::string one(const std::string& key) const {
    const std::vector<std::string> found = all(key);
    return found.empty() ? std::string() : found.front();
  }

 private:
  const std::multimap<::grpc::string_ref, ::grpc::string_ref>& values_;
};

/// What the engine asks for on one stream, read on a thread of its own: it may ask while we are
/// still telling what there is, and the connection must not clog.
class Questions {
 public:
  explicit Questions(FileSync::Stream& stream) : stream_(stream), reader_([this] { read(); }) {}

  struct Next {
    enum class Kind { file, finished, broken } kind = Kind::broken;
    std::uint32_t number = 0;
    std::string why = {};
  };
  Next wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !waiting_.empty(); });
    Next next = std::move(waiting_.front());
    // The last word stays.
    if (next.kind == Next::Kind::file) waiting_.pop_front();
    return next;
  }

 private:
  void read() {
    for (Packet packet; stream_.Read(&packet);) {
      if (packet.type() == Packet::PACKET_REQ) {
        add({Next::Kind::file, packet.id()});
      } else if (packet.type() == Packet::PACKET_FIN) {
        return add({Next::Kind::finished});
      } else if (packet.type() == Packet::PACKET_ERR) {
        return add({Next::Kind::broken, 0, one_line(packet.data())});
      }
    }
    add({Next::Kind::broken, 0, "the engine broke the transfer of the build context off"});
  }
  void add(Next next) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(next));
    changed_.notify_all();
  }

  FileSync::Stream& stream_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Next> waiting_;
  std::jthread reader_;
};

/// The engine is gone, which is no fault of the context's.
struct Gone {};

void write(FileSync::Stream& stream, const Packet& packet) {
  if (!stream.Write(packet)) throw Gone();
}

void send_file(FileSync::Stream& stream, os::FileTree& tree, std::uint32_t number,
               std::atomic<std::uint64_t>& bytes) {
  Packet packet;
  packet.set_type(Packet::PACKET_DATA);
  packet.set_id(number);
  tree.read(number, [&](std::string_view content) {
    while (!content.empty()) {
      const std::string_view part = content.substr(0, longest_part);
      packet.set_data(part.data(), part.size());
      write(stream, packet);
      bytes += part.size();
      content.remove_prefix(part.size());
    }
  });
  // No data: the file's end.
  packet.clear_data();
  write(stream, packet);
}

}  // namespace

::grpc::Status FileSync::DiffCopy(::grpc::ServerContext* context, Stream* stream) {
  const Metadata metadata(*context);
  const std::string folder = metadata.one("dir-name");
  std::unique_ptr<os::FileTree> tree;
  try {
    tree = build_.folder(folder, {metadata.all("include-patterns"), metadata.all("followpaths"),
                                  metadata.all("exclude-patterns")});
    if (!tree) {
      return {::grpc::StatusCode::NOT_FOUND, concat("there is no folder \"", folder, '"')};
    }
    Questions questions(*stream);
    try {
      Packet packet;
      tree->list([&](const os::TarEntry& entry) {
        *packet.mutable_stat() = stat_of(entry);
        write(*stream, packet);
        ++entries_;
      });
      packet.clear_stat();
      write(*stream, packet);
      while (true) {
        const Questions::Next next = questions.wait();
        if (next.kind == Questions::Next::Kind::broken) {
          return {::grpc::StatusCode::INTERNAL, next.why};
        }
        if (next.kind == Questions::Next::Kind::finished) {
          packet.set_type(Packet::PACKET_FIN);
          write(*stream, packet);
          return ::grpc::Status::OK;
        }
        send_file(*stream, *tree, next.number, bytes_);
        ++files_;
      }
    } catch (...) {
      // The reader waits for the engine, which waits for us.
      context->TryCancel();
      throw;
    }
  } catch (const Gone&) {
    // gRPC's door: nobody is there to hear it.
    return {::grpc::StatusCode::CANCELLED, "the engine closed the transfer"};
  } catch (const std::exception& error) {
    // gRPC's door: the engine is told, and whoever builds learns it from us.
    failure_.with([](std::exception_ptr& failure) {
      if (!failure) failure = std::current_exception();
    });
    return {::grpc::StatusCode::INTERNAL, error.what()};
  }
}

void FileSync::rethrow() const {
  const std::exception_ptr failure =
      failure_.with([](const std::exception_ptr& first) { return first; });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace lighterman::engine
