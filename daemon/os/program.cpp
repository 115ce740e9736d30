#include "os/program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/env.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/extend.hpp>
#include <boost/process/group.hpp>
#include <boost/process/posix.hpp>
#include <boost/process/start_dir.hpp>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "core/error.hpp"
#include "core/time.hpp"

namespace lighterman::os {
namespace {

namespace bp = boost::process;
using SteadyTime = std::chrono::steady_clock::time_point;

[[noreturn]] void fail(const Program& program, std::string_view what, int reason) {
  throw Error(ErrorKind::internal, concat("running ", program.name, ": ", what, ": ",
                                          std::generic_category().message(reason)));
}

class Descriptor {
 public:
  explicit Descriptor(int number = -1) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() { close(); }
  void close() noexcept {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }
  int number() const noexcept { return number_; }

 private:
  int number_;
};

struct Pipe {
  Descriptor read, write;
};

/// Closed in every other program we start: one that lived on with our end would keep it open.
Pipe make_pipe(const Program& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail(program, "making a pipe", errno);
  Pipe pipe{Descriptor(ends[0]), Descriptor(ends[1])};
  ::fcntl(pipe.read.number(), F_SETFL, O_NONBLOCK);
  return pipe;
}

/// Standard input as a file in memory: the program can read it at its own pace, or not at all, and
/// neither blocks us nor costs us a SIGPIPE.
Descriptor make_input(const Program& program) {
  if (program.input.empty()) return Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Descriptor input(::memfd_create("input", MFD_CLOEXEC));
  if (input.number() < 0) fail(program, "making its input", errno);
  for (std::size_t done = 0; done < program.input.size();) {
    const ssize_t put =
        ::write(input.number(), program.input.data() + done, program.input.size() - done);
    if (put < 0 && errno != EINTR) fail(program, "making its input", errno);
    if (put > 0) done += static_cast<std::size_t>(put);
  }
  ::lseek(input.number(), 0, SEEK_SET);
  return input;
}

bp::environment environment_of(const Program& program) {
  bp::environment environment;
  for (const char* name : {"PATH", "HOME"})
    if (const char* value = std::getenv(name)) environment[name] = value;
  for (const auto& [name, value] : program.environment) environment[name] = value;
  return environment;
}

/// The daemon's threads block signals and ignore SIGPIPE; programs expect neither.
struct FreshSignals : bp::extend::handler {
  template <class Executor>
  void on_exec_setup(Executor&) const noexcept {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    // It must not go on when we are killed; whoever starts it waits for it on the same thread.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
};

/// One started program and its process group; killed and reaped when this ends, whatever happens.
class Running {
 public:
  Running(const Program& program, const std::filesystem::path& path)
      : out_(make_pipe(program)), err_(make_pipe(program)) {
    const Descriptor input = make_input(program);
    if (!program.folder.empty() && !std::filesystem::is_directory(program.folder))
      throw Error(ErrorKind::invalid, concat("running ", program.name, ": its folder ",
                                             program.folder.native(), " does not exist"));
    std::error_code failure;
    {
      // Boost.Process makes its own pipe in two steps; a fork between them would leak it into the
      // other program and leave us waiting for that one.
      static std::mutex starting;
      const std::lock_guard lock(starting);
      child_ = bp::child(
          bp::exe = path.native(), bp::args = program.arguments, environment_of(program),
          bp::start_dir = program.folder.empty() ? std::string(".") : program.folder.native(),
          bp::posix::fd.bind(0, input.number()), bp::posix::fd.bind(1, out_.write.number()),
          bp::posix::fd.bind(2, err_.write.number()), group_, FreshSignals(), failure);
    }
    if (failure)
      throw Error(failure == std::errc::no_such_file_or_directory ? ErrorKind::not_found
                  : failure == std::errc::permission_denied       ? ErrorKind::denied
                                                                  : ErrorKind::internal,
                  concat("running ", path.native(), ": ", failure.message()));
    out_.write.close();
    err_.write.close();
    ended_ = Descriptor(static_cast<int>(::syscall(SYS_pidfd_open, child_.id(), 0)));
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { reap(); }

  /// Kills what is left of the group, then takes the exit code. The leader is reaped last, because
  /// its number must not be given away while it still names the group.
  int reap() noexcept {
    if (!child_.valid()) return exit_code_;
    ::kill(-child_.id(), SIGKILL);
    int status = 0;
    while (::waitpid(child_.id(), &status, 0) < 0 && errno == EINTR) {
    }
    child_.detach();
    group_.detach();
    exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return exit_code_;
  }

  bool has_ended() const noexcept {
    siginfo_t seen{};
    return ::waitid(P_PID, static_cast<id_t>(child_.id()), &seen, WEXITED | WNOHANG | WNOWAIT) ==
               0 &&
           seen.si_pid != 0;
  }
  /// Becomes readable when the program ends; negative where the kernel has no such thing.
  int ended() const noexcept { return ended_.number(); }
  Descriptor& out() noexcept { return out_.read; }
  Descriptor& err() noexcept { return err_.read; }

 private:
  Pipe out_, err_;
  bp::group group_;
  bp::child child_;
  Descriptor ended_;
  int exit_code_ = 0;
};

/// Moves what is in the pipe to `sink`; closes it at its end.
void drain(const Program& program, Descriptor& pipe, const Push& sink) {
  std::array<char, 65536> buffer;
  while (pipe.number() >= 0) {
    const ssize_t got = ::read(pipe.number(), buffer.data(), buffer.size());
    if (got > 0) {
      sink({buffer.data(), static_cast<std::size_t>(got)});
      // Back to the caller after each full buffer: a program that never stops talking must not
      // keep us from seeing that its time is up.
      if (static_cast<std::size_t>(got) == buffer.size()) return;
    } else if (got == 0) {
      pipe.close();
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      fail(program, "reading its output", errno);
    }
  }
}

/// Waits until something can be read, the program ended, or it is time to look again.
void wait(Running& running, int stop, std::chrono::milliseconds left) {
  // Without a pidfd its end shows only by looking.
  if (running.ended() < 0) left = std::min(left, std::chrono::milliseconds(20));
  // poll(2) skips negative descriptors: closed pipes need no care.
  std::array<pollfd, 4> watched{{{running.out().number(), POLLIN, 0},
                                 {running.err().number(), POLLIN, 0},
                                 {running.ended(), POLLIN, 0},
                                 {stop, POLLIN, 0}}};
  ::poll(watched.data(), watched.size(),
         static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000)));
}

Push keeping(const Program& program, std::string& text, std::string_view stream) {
  return [&program, &text, stream](std::string_view bytes) {
    if (text.size() + bytes.size() > program.output_limit)
      throw Error(ErrorKind::invalid,
                  concat("running ", program.name, ": killed: more than ",
                         render_size(program.output_limit), " on its standard ", stream));
    text += bytes;
  };
}

Outcome follow(const Program& program, const Push& output, std::string& errors,
               const std::stop_token& stop) {
  const std::filesystem::path path = find_program(program.name);
  if (path.empty())
    throw Error(ErrorKind::not_found,
                concat("running ", program.name, ": there is no such program",
                       program.name.find('/') == std::string::npos ? " in PATH" : ""));
  const Descriptor stopping(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (stopping.number() < 0) fail(program, "making an event", errno);
  const std::stop_callback wake(stop, [&stopping] { ::eventfd_write(stopping.number(), 1); });
  const Push keep_errors = keeping(program, errors, "error");
  const SteadyTime begin = std::chrono::steady_clock::now();
  Running running(program, path);
  for (;;) {
    if (stop.stop_requested())
      throw Error(ErrorKind::cancelled, concat("running ", program.name, ": stopped"));
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    if (spent >= program.timeout)
      throw Error(ErrorKind::unavailable, concat("running ", program.name, ": killed after ",
                                                 render_duration(program.timeout)));
    // Looked at before the pipes are emptied, so that its last words are not lost.
    const bool ended = running.has_ended();
    drain(program, running.out(), output);
    drain(program, running.err(), keep_errors);
    if (ended) break;
    wait(running, stopping.number(), program.timeout - spent);
  }
  Outcome outcome;
  outcome.exit_code = running.reap();
  // Descendants that still hold the pipes are dead now; what is left in there ends.
  while (running.out().number() >= 0 || running.err().number() >= 0) {
    const int out = running.out().number(), err = running.err().number();
    std::array<pollfd, 2> watched{{{out, POLLIN, 0}, {err, POLLIN, 0}}};
    // Nothing to read and no end: a descendant left the group and lives on. It is not ours.
    if (::poll(watched.data(), watched.size(), 0) <= 0) break;
    drain(program, running.out(), output);
    drain(program, running.err(), keep_errors);
  }
  return outcome;
}

}  // namespace

Outcome perform(const Program& program, const std::stop_token& stop) {
  std::string output, errors;
  Outcome outcome = follow(program, keeping(program, output, "output"), errors, stop);
  outcome.output = std::move(output);
  outcome.errors = std::move(errors);
  return outcome;
}

Outcome perform(const Program& program, const Push& output, const std::stop_token& stop) {
  std::string errors;
  Outcome outcome = follow(program, output, errors, stop);
  outcome.errors = std::move(errors);
  return outcome;
}

std::map<std::string, std::string> own_environment() {
  std::map<std::string, std::string> variables;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) {
    const std::string_view line(*each);
    if (const std::size_t equals = line.find('='); equals != std::string_view::npos)
      variables.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return variables;
}

std::filesystem::path find_program(const std::string& name) {
  const auto runs = [](const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.empty()) return {};
  if (name.find('/') != std::string::npos)
    return runs(name) ? std::filesystem::absolute(name) : std::filesystem::path();
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path ? path : "/usr/local/bin:/usr/bin:/bin", ':'))
    if (folder.starts_with('/') && runs(std::filesystem::path(folder) / name))
      return std::filesystem::path(folder) / name;
  return {};
}

}  // namespace lighterman::os
