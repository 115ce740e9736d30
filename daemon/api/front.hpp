#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/connection.hpp"
#include "api/server.hpp"

namespace lighterman::api {

/// Listens, and parks connections until a whole request waits in one; only then is a thread spent
/// on it. So neither idle nor slow clients take a place from the others. One thread (the porter)
/// owns every parked connection; a serving thread owns the one it serves.
class Front {
 public:
  /// Serves one request; may take the connection for itself and leave the pointer empty.
  using Serve = std::function<void(std::unique_ptr<Connection>& connection)>;

  Front(const Options& options, Berths& berths, Serve serve);
  ~Front();  ///< stops and joins; requests being served are finished
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  void listen();                ///< binds; throws as Server::start()
  void start();                 ///< begins to serve
  std::string address() const;  ///< as bound; empty before listen()
  bool only_loopback() const noexcept { return only_loopback_; }

 private:
  using Parked = std::map<int, std::unique_ptr<Connection>>;

  void adopt(int socket);
  void listen_at(const std::string& host, const std::string& port);
  void watch(int descriptor, unsigned events, int operation) const;
  void port();  ///< the porter's life
  void accept_from(int listener);
  void arrive(Parked::iterator place);
  void park(std::unique_ptr<Connection> connection, std::chrono::milliseconds time);
  void dismiss(std::unique_ptr<Connection> connection, int status, const char* why);
  void linger(std::unique_ptr<Connection> connection);
  void take_back();
  void sweep();
  bool make_room();
  void work();  ///< a serving thread's life
  void give_back(std::unique_ptr<Connection> connection);

  const Options& options_;
  Berths& berths_;
  Serve serve_;
  std::vector<int> listeners_;
  int epoll_ = -1;
  int bell_ = -1;  ///< an eventfd: somebody gave a connection back, or it is time to stop
  bool only_loopback_ = true;
  bool accepting_ = true;
  Parked parked_;     ///< the porter's alone
  Parked lingering_;  ///< the porter's alone

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Connection>> waiting_;    ///< for a thread
  std::vector<std::unique_ptr<Connection>> returned_;  ///< to the porter
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace lighterman::api
