#include "scan/kept.hpp"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/compress.hpp"

namespace lighterman::scan {
namespace {

/// Nobody reads more; each takes about half a kilobyte before it is packed.
constexpr std::size_t most_kept = 20'000;
constexpr std::size_t largest = 64 << 20;

}  // namespace

std::string kept_name(RunId run, const std::string& image) { return concat(run, '/', image); }

std::string pack(Findings findings) {
  if (findings.list.size() > most_kept) {
    std::ranges::stable_sort(
        findings.list, [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
    findings.warnings.push_back(
        concat("only the worst ", most_kept, " of ", findings.list.size(), " findings are kept"));
    findings.list.resize(most_kept);
  }
  std::string packed;
  os::Compressor compressor(
      os::Compression::zstd, [&packed](std::string_view bytes) { packed += bytes; }, 1);
  compressor.write(boost::json::serialize(to_json(findings)));
  compressor.finish();
  return render_base64(packed);
}

Findings unpack(const std::string& packed) {
  const auto bytes = parse_base64(packed);
  if (!bytes) throw Error(ErrorKind::invalid, "kept findings: not base64");
  const Pull pull =
      os::decompressed([left = std::string_view(*bytes)](char* into, std::size_t room) mutable {
        const std::size_t count = left.copy(into, room);
        left.remove_prefix(count);
        return count;
      });
  std::string text;
  std::array<char, 65536> room{};
  while (const std::size_t count = pull(room.data(), room.size())) {
    text.append(room.data(), count);
    if (text.size() > largest) throw Error(ErrorKind::invalid, "kept findings: too large");
  }
  return findings_from(parse_json(text, "kept findings"));
}

}  // namespace lighterman::scan
