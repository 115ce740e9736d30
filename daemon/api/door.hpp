#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "api/snapshot.hpp"

namespace lighterman::api {

/// Every request comes through here: it finds the route, asks who is there, and turns what went
/// wrong into a problem. httplib parses and renders the messages; the front has the sockets.
class Door : private httplib::Server {
 public:
  struct Address {
    std::string url;             ///< "http://host:port" as bound
    bool only_loopback = false;  ///< nobody else can reach us
  };

  Door(Room room, Snapshots& snapshots);
  /// Before the first serve().
  void open_at(Address address) { address_ = std::move(address); }
  /// Serves the one request that is ready. Takes the connection when it goes on being sent to.
  void serve(std::unique_ptr<Connection>& connection);

 private:
  void receive(const httplib::Request& request, httplib::Response& reply);
  void perform(Exchange& exchange);
  Caller authenticate(Exchange& exchange) const;
  std::optional<Caller> find_session(Exchange& exchange) const;
  static void complete(const httplib::Request& request, httplib::Response& reply);

  Room room_;
  Snapshots& snapshots_;
  Address address_;
};

}  // namespace lighterman::api
