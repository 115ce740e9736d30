#include "api/page.hpp"

#include <algorithm>

#include "api/exchange.hpp"
#include "api/problem.hpp"
#include "api/routes.hpp"
#include "core/text.hpp"
#include "os/hash.hpp"

namespace lighterman::api {
namespace {

/// Only what this daemon serves, and nothing written into the markup.
constexpr const char* page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A name for all the files together: they fit each other, and only each other.
const std::string& page_version() {
  static const std::string version = [] {
    os::Sha256 hash;
    for (const PageFile& file : page_files()) {
      hash.update(file.name);
      hash.update(std::string_view("\0", 1));
      hash.update(file.bytes);
    }
    return std::string(hash.finish().hex().substr(0, 16));
  }();
  return version;
}

const char* type_of(std::string_view name) noexcept {
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/html; charset=utf-8";
}

const PageFile* find_file(std::string_view name) noexcept {
  const auto files = page_files();
  const auto found = std::ranges::find(files, name, &PageFile::name);
  return found == files.end() ? nullptr : &*found;
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
  return text;
}

void answer_file(Exchange& exchange, std::string_view name, std::string_view bytes,
                 const char* caching) {
  exchange.reply.headers.erase("Content-Security-Policy");
  exchange.reply.set_header("Content-Security-Policy", page_policy);
  exchange.reply.set_header("Cache-Control", caching);
  if (answered_unchanged(exchange, concat("\"", page_version(), "\""))) return;
  exchange.reply.status = 200;
  exchange.reply.set_content(bytes.data(), bytes.size(), type_of(name));
}

}  // namespace

void show_page(Room&, Exchange& exchange) {
  // The files' addresses have the version in them, so that they can be kept for good.
  static const std::string index =
      replaced(std::string(find_file("index.html")->bytes), "@version@", page_version());
  answer_file(exchange, "index.html", index, "no-cache");
}

void show_page_file(Room&, Exchange& exchange) {
  const std::string& name = exchange.names.at(1);
  const PageFile* file = find_file(name);
  if (exchange.names.front() != page_version() || file == nullptr || name == "index.html") {
    refuse(404, concat("the page has no file \"", shortened(valid_utf8(name), 80),
                       "\" of this version (load it again)"));
  }
  answer_file(exchange, name, file->bytes, "public, max-age=31536000, immutable");
}

}  // namespace lighterman::api
