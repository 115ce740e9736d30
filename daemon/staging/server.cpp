#include "staging/server.hpp"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <boost/json.hpp>
#include <condition_variable>
#include <filesystem>
#include <thread>

#include "core/error.hpp"
#include "core/text.hpp"
#include "staging/threads.hpp"
#include "staging/uploads.hpp"

namespace lighterman::staging {
namespace {

using httplib::Request;
using httplib::Response;

/// distribution-spec, "Error Codes".
void refuse(Response& response, int status, const char* code, const std::string& message) {
  const boost::json::value body = {
      {"errors", boost::json::array{{{"code", code}, {"message", message}}}}};
  response.status = status;
  response.set_content(boost::json::serialize(body), "application/json");
}

/// User and password of RFC 7617.
std::optional<std::pair<std::string, std::string>> parse_basic(const std::string& header) {
  if (header.size() < 6 || lower(header.substr(0, 6)) != "basic ") return {};
  const auto text = parse_base64(trim(std::string_view(header).substr(6)));
  const std::size_t colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return {};
  return std::pair(text->substr(0, colon), text->substr(colon + 1));
}

/// The one place that turns an error into a response.
template <class Work>
void answering(Response& response, Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    switch (error.kind()) {
      case ErrorKind::invalid:
        return refuse(response, 400, "DIGEST_INVALID", error.what());
      case ErrorKind::not_found:
        return refuse(response, 404, "BLOB_UNKNOWN", error.what());
      default:
        return refuse(response, 500, "UNKNOWN", error.what());
    }
  } catch (const std::exception& error) {
    refuse(response, 500, "UNKNOWN", error.what());
  }
}

/// Ends what engines keep open for their next push: httplib would wait for it, and has no list.
void end_connections(int port) {
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", gone)) {
    const int socket = std::atoi(entry.path().filename().c_str());
    sockaddr_storage own{}, other{};
    socklen_t size = sizeof own, other_size = sizeof other;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) != 0 ||
        ::getpeername(socket, reinterpret_cast<sockaddr*>(&other), &other_size) != 0)
      continue;
    const in_port_t local = own.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(own).sin_port
                            : own.ss_family == AF_INET6
                                ? reinterpret_cast<sockaddr_in6&>(own).sin6_port
                                : 0;
    if (local != 0 && ntohs(local) == port) ::shutdown(socket, SHUT_RDWR);
  }
}

}  // namespace

struct Server::Inside {
  Inside(const Options& given, FindWing find_wing) : options(given), find(std::move(find_wing)) {
    server.new_task_queue = [] { return new Threads(most_connections); };
    server.set_keep_alive_max_count(1 << 20);
    server.set_keep_alive_timeout(60);
    server.set_read_timeout(options.engine_silence);
    server.set_write_timeout(options.engine_silence);
    server.set_payload_max_length(std::numeric_limits<std::size_t>::max());
    // Nagle's delay would cost the engine 40 ms a request.
    server.set_tcp_nodelay(true);
    routes();
  }

  using Handler = std::function<void(const std::shared_ptr<Wing>&, const Request&, Response&)>;

  std::shared_ptr<Wing> enter(const Request& request, Response& response) {
    const auto login = parse_basic(request.get_header_value("Authorization"));
    auto wing = login ? find(login->first, login->second) : nullptr;
    if (!wing) {
      response.set_header("WWW-Authenticate", R"(Basic realm="lighterman staging")");
      refuse(response, 401, "UNAUTHORIZED", "the credentials of a run are needed");
      return nullptr;
    }
    if (request.matches.size() > 1 && request.matches[1] != wing->repository()) {
      refuse(response, 403, "DENIED", "these credentials are for another repository");
      return nullptr;
    }
    return wing;
  }

  httplib::Server::Handler inside(Handler handler) {
    return [this, handler = std::move(handler)](const Request& request, Response& response) {
      answering(response, [&] {
        if (const auto wing = enter(request, response)) handler(wing, request, response);
      });
    };
  }

  void routes();
  void get_blob(const Request& request, Response& response);
  static void put_manifest(Wing& wing, const std::string& reference, const std::string& bytes,
                           Response& response);
  void begin_upload(const std::shared_ptr<Wing>& wing, const Request& request, Response& response);
  void receive(const Request& request, Response& response, const httplib::ContentReader& content);

  static constexpr unsigned most_connections = 48;
  const Options options;
  const FindWing find;
  Uploads uploads;
  httplib::Server server;
  std::string address;
  std::stop_source stop;
  int port = -1;
  std::jthread thread;
};

void Server::Inside::routes() {
  server.Get("/v2/", inside([](const std::shared_ptr<Wing>&, const Request&, Response& response) {
               response.set_content("{}", "application/json");
             }));
  server.Get(R"(/v2/(.+)/blobs/(sha256:[0-9a-f]{64}))",
             [this](const Request& request, Response& response) {
               answering(response, [&] { get_blob(request, response); });
             });
  server.Get(
      R"(/v2/(.+)/manifests/([^/]+))",
      inside([](const std::shared_ptr<Wing>& wing, const Request& request, Response& response) {
        const auto digest = wing->find_manifest(request.matches[2]);
        if (!digest) return refuse(response, 404, "MANIFEST_UNKNOWN", "no such manifest");
        const Manifest manifest = Manifest::parse(wing->manifest_bytes(*digest));
        response.set_header("Docker-Content-Digest", digest->text());
        response.set_content(manifest.bytes(), manifest.media_type());
      }));
  server.Put(R"(/v2/(.+)/manifests/([^/]+))", [this](const Request& request, Response& response,
                                                     const httplib::ContentReader& content) {
    answering(response, [&] {
      const auto wing = enter(request, response);
      if (!wing) return;
      std::string bytes;
      content([&](const char* part, std::size_t size) {
        bytes.append(part, size);
        return bytes.size() <= manifest_limit;
      });
      if (bytes.size() > manifest_limit)
        return refuse(response, 413, "SIZE_INVALID", "a manifest has at most 4 MiB");
      put_manifest(*wing, request.matches[2], bytes, response);
    });
  });
  server.Post(R"(/v2/(.+)/blobs/uploads/)",
              inside([this](const std::shared_ptr<Wing>& wing, const Request& request,
                            Response& response) { begin_upload(wing, request, response); }));
  const auto part = [this](const Request& request, Response& response,
                           const httplib::ContentReader& content) {
    answering(response, [&] { receive(request, response, content); });
  };
  server.Patch(R"(/v2/(.+)/blobs/uploads/([0-9a-f]{32}))", part);
  server.Put(R"(/v2/(.+)/blobs/uploads/([0-9a-f]{32}))", part);
}

void Server::Inside::put_manifest(Wing& wing, const std::string& reference,
                                  const std::string& bytes, Response& response) {
  const Digest digest = wing.put_manifest(reference, Manifest::parse(bytes), {});
  response.status = 201;
  response.set_header("Docker-Content-Digest", digest.text());
  response.set_header("Location", concat("/v2/", wing.repository(), "/manifests/", digest.text()));
}

void Server::Inside::get_blob(const Request& request, Response& response) {
  const auto wing = enter(request, response);
  if (!wing) return;
  const Digest blob = Digest::parse(request.matches[2].str());
  const auto size = wing->announce(blob, stop.get_token());
  if (!size) return refuse(response, 404, "BLOB_UNKNOWN", "no such blob here");
  response.set_header("Docker-Content-Digest", blob.text());
  struct Reading {
    Pull in;
    std::uint64_t at = 0;
  };
  const auto reading = std::make_shared<Reading>();
  response.set_content_provider(
      *size, "application/octet-stream",
      [this, wing, blob, reading](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
        try {
          if (!reading->in || reading->at != offset) {
            reading->in = wing->open(blob, offset, stop.get_token());
            reading->at = offset;
          }
          std::string part(std::min<std::size_t>(length, 64 << 10), '\0');
          const std::size_t got = reading->in(part.data(), part.size());
          reading->at += got;
          return got > 0 && sink.write(part.data(), got);
        } catch (const std::exception&) {
          return false;  // the headers are gone; a cut tells the reader
        }
      });
}

void Server::Inside::begin_upload(const std::shared_ptr<Wing>& wing, const Request& request,
                                  Response& response) {
  if (request.has_param("mount")) {
    const Digest blob = Digest::parse(request.get_param_value("mount"));
    if (wing->announce(blob, stop.get_token())) {
      response.status = 201;
      response.set_header("Docker-Content-Digest", blob.text());
      response.set_header("Location", concat("/v2/", wing->repository(), "/blobs/", blob.text()));
      return;
    }
  }
  const std::string id = uploads.begin(wing);
  response.status = 202;
  response.set_header("Docker-Upload-UUID", id);
  response.set_header("Range", "0-0");
  response.set_header("Location", concat("/v2/", wing->repository(), "/blobs/uploads/", id));
}

void Server::Inside::receive(const Request& request, Response& response,
                             const httplib::ContentReader& content) {
  const auto wing = enter(request, response);
  if (!wing) return;
  const std::string id = request.matches[2];
  Uploads::Upload upload = uploads.take(id, wing);
  Incoming& incoming = *upload.incoming;
  const bool last = request.method == "PUT";
  const bool whole = content([&](const char* part, std::size_t size) {
    incoming.write({part, size});
    return true;
  });
  if (!whole) return refuse(response, 400, "BLOB_UPLOAD_INVALID", "the body was cut");
  const std::string location = concat("/v2/", wing->repository(), "/blobs/");
  if (last) {
    const Digest blob = Digest::parse(request.get_param_value("digest"));
    const std::uint64_t size = incoming.size();
    wing->layout().keep(incoming, blob);
    wing->received(blob, size);
    response.status = 201;
    response.set_header("Docker-Content-Digest", blob.text());
    response.set_header("Location", location + blob.text());
    return;
  }
  response.status = 202;
  const std::uint64_t size = incoming.size();
  response.set_header("Range", concat("0-", size == 0 ? 0 : size - 1));
  response.set_header("Docker-Upload-UUID", id);
  response.set_header("Location", concat(location, "uploads/", id));
  uploads.give_back(id, std::move(upload));
}

Server::Server(const Options& options, FindWing find)
    : inside_(std::make_unique<Inside>(options, std::move(find))) {}

Server::~Server() {
  inside_->stop.request_stop();
  inside_->server.stop();
  end_connections(inside_->port);
}

void Server::start() {
  const std::string& listen = inside_->options.listen;
  const std::size_t colon = listen.rfind(':');
  const std::string host = listen.substr(0, colon);
  int port = colon == std::string::npos ? -1 : std::atoi(listen.c_str() + colon + 1);
  if (port == 0) {
    port = inside_->server.bind_to_any_port(host);
  } else if (port < 0 || !inside_->server.bind_to_port(host, port)) {
    port = -1;
  }
  if (port < 0) {
    throw Error(ErrorKind::conflict,
                concat("staging.listen: \"", listen, "\" cannot be used (in use by another ",
                       "program, or not an address of this machine)"));
  }
  inside_->address = concat(host, ':', port);
  inside_->port = port;
  inside_->thread = std::jthread([server = &inside_->server] { server->listen_after_bind(); });
  while (!inside_->server.is_running()) std::this_thread::yield();
}

std::string Server::address() const { return inside_->address; }

}  // namespace lighterman::staging
