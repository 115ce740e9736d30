#include "api/problem.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "core/text.hpp"

namespace lighterman::api {
namespace {

struct Kind {
  int status;
  std::string_view type, title;
};

constexpr Kind kinds[] = {
    {400, "bad-request", "Bad Request"},
    {401, "unauthorized", "Unauthorized"},
    {403, "forbidden", "Forbidden"},
    {404, "not-found", "Not Found"},
    {405, "method-not-allowed", "Method Not Allowed"},
    {406, "not-acceptable", "Not Acceptable"},
    {408, "request-timeout", "Request Timeout"},
    {409, "conflict", "Conflict"},
    {413, "content-too-large", "Content Too Large"},
    {414, "uri-too-long", "URI Too Long"},
    {415, "unsupported-media-type", "Unsupported Media Type"},
    {416, "range-not-satisfiable", "Range Not Satisfiable"},
    {422, "unprocessable-content", "Unprocessable Content"},
    {429, "too-many-requests", "Too Many Requests"},
    {431, "request-header-fields-too-large", "Request Header Fields Too Large"},
    {503, "unavailable", "Service Unavailable"},
};

constexpr Kind internal_kind = {500, "internal-error", "Internal Server Error"};

const Kind& kind_of(int status) noexcept {
  const auto* found = std::ranges::find(kinds, status, &Kind::status);
  return found == std::end(kinds) ? internal_kind : *found;
}

int status_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::invalid:
      return 400;
    case ErrorKind::denied:
      return 403;
    case ErrorKind::not_found:
      return 404;
    case ErrorKind::conflict:
      return 409;
    case ErrorKind::unavailable:
    case ErrorKind::cancelled:
      return 503;
    case ErrorKind::internal:
      break;
  }
  return 500;
}

}  // namespace

std::string render(const Problem& problem) {
  boost::json::object object{{"type", concat("urn:lighterman:problem:", problem.type)},
                             {"title", problem.title},
                             {"status", problem.status},
                             {"detail", valid_utf8(problem.detail)}};
  if (!problem.instance.empty()) object["instance"] = valid_utf8(problem.instance);
  return boost::json::serialize(object);
}

Problem problem_of(int status, std::string detail) {
  const Kind& kind = kind_of(status);
  Problem problem;
  problem.status = kind.status;
  problem.type = kind.type;
  problem.title = kind.title;
  problem.detail = std::move(detail);
  if (status == 503) problem.headers["Retry-After"] = "5";
  return problem;
}

Problem problem_from(const Error& error) {
  return problem_of(status_of(error.kind()), error.what());
}

void refuse(int status, std::string detail) {
  throw Refused(problem_of(status, std::move(detail)));
}

void refuse(int status, std::string type, std::string title, std::string detail) {
  Problem problem = problem_of(status, std::move(detail));
  problem.type = std::move(type);
  problem.title = std::move(title);
  throw Refused(std::move(problem));
}

std::string bare_response(const Problem& problem) {
  const std::string body = render(problem);
  std::string response =
      concat("HTTP/1.1 ", problem.status, " ", problem.title, "\r\nContent-Type: ", problem_type,
             "\r\nContent-Length: ", body.size(), "\r\nConnection: close\r\n");
  for (const auto& [name, value] : problem.headers) response += concat(name, ": ", value, "\r\n");
  return concat(response, "\r\n", body);
}

}  // namespace lighterman::api
