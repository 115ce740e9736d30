#include "support/trivy_db.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <map>
#include <type_traits>

#include "core/text.hpp"
#include "os/file.hpp"

namespace lighterman::support {
namespace {

namespace json = boost::json;

constexpr std::size_t page_size = 4096;

template <class T>
void put(std::string& out, std::type_identity_t<T> value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

/// A bucket holds values and further buckets by key.
struct Bucket {
  std::map<std::string, std::string> values = {};
  std::map<std::string, Bucket> buckets = {};
};

/// A bbolt file (go.etcd.io/bbolt, page.go and db.go) with one leaf page run for each bucket.
class BoltFile {
 public:
  static std::string of(const Bucket& root) {
    BoltFile file;
    const std::uint64_t at = file.add(root);
    const std::uint64_t end = file.pages_.size() / page_size;
    for (const std::uint64_t number : {0, 1}) file.put_meta(number, at, end);
    file.put_page(2, header(2, 0x10, 0, 0));  // an empty list of free pages
    file.put_page(3, header(3, 0x02, 0, 0));
    return file.pages_;
  }

 private:
  static std::string header(std::uint64_t id, std::uint16_t kind, std::size_t count,
                            std::size_t overflow) {
    std::string out;
    put<std::uint64_t>(out, id);
    put<std::uint16_t>(out, kind);
    put<std::uint16_t>(out, count);
    put<std::uint32_t>(out, overflow);
    return out;
  }

  void put_page(std::uint64_t id, const std::string& bytes) {
    pages_.replace(id * page_size, bytes.size(), bytes);
  }

  std::uint64_t add(const Bucket& bucket) {
    std::map<std::string, std::pair<bool, std::string>> items;
    for (const auto& [key, value] : bucket.values) items[key] = {false, value};
    for (const auto& [key, inner] : bucket.buckets) {
      std::string place;
      put<std::uint64_t>(place, add(inner));
      put<std::uint64_t>(place, 0);
      items[key] = {true, place};
    }
    std::string elements, body;
    std::size_t left = items.size();
    for (const auto& [key, item] : items) {
      put<std::uint32_t>(elements, item.first ? 1 : 0);
      put<std::uint32_t>(elements, 16 * left-- + body.size());  // from this element on
      put<std::uint32_t>(elements, key.size());
      put<std::uint32_t>(elements, item.second.size());
      body += key + item.second;
    }
    const std::size_t pages = (16 + elements.size() + body.size() + page_size - 1) / page_size;
    const std::uint64_t id = pages_.size() / page_size;
    pages_.resize(pages_.size() + pages * page_size);
    put_page(id, header(id, 0x02, items.size(), pages - 1) + elements + body);
    return id;
  }

  void put_meta(std::uint64_t number, std::uint64_t root, std::uint64_t end) {
    std::string meta;
    for (const std::uint32_t word : {0xED0CDAEDU, 2U, static_cast<std::uint32_t>(page_size), 0U})
      put<std::uint32_t>(meta, word);
    for (const std::uint64_t word : {root, std::uint64_t{0}, std::uint64_t{2}, end, number})
      put<std::uint64_t>(meta, word);
    std::uint64_t sum = 0xcbf29ce484222325;  // FNV-1a
    for (const char byte : meta) sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    put<std::uint64_t>(meta, sum);
    put_page(number, header(number, 0x04, 0, 0) + meta);
  }

  std::string pages_ = std::string(4 * page_size, '\0');
};

}  // namespace

void write_trivy_database(const std::filesystem::path& folder,
                          const std::vector<Advisory>& advisories, const std::string& updated,
                          int schema) {
  Bucket root;
  root.buckets["vulnerability"];
  for (const Advisory& advisory : advisories) {
    root.buckets[advisory.platform].buckets[advisory.source].values[advisory.id] =
        json::serialize(advisory.fixed.empty() ? json::object{{"Status", 5}}
                                               : json::object{{"FixedVersion", advisory.fixed}});
    root.buckets["data-source"].values[advisory.platform] = json::serialize(
        json::object{{"ID", "debian"}, {"Name", "Debian Security Tracker"}, {"URL", "https://x"}});
    root.buckets["vulnerability"].values[advisory.id] =
        json::serialize(json::object{{"Title", advisory.title},
                                     {"Description", advisory.title},
                                     {"Severity", advisory.severity}});
  }
  std::filesystem::create_directories(folder / "db");
  os::replace_file(folder / "db" / "trivy.db", BoltFile::of(root));
  os::replace_file(folder / "db" / "metadata.json",
                   json::serialize(json::object{{"Version", schema},
                                                {"UpdatedAt", updated},
                                                {"NextUpdate", "2999-01-01T00:00:00Z"},
                                                {"DownloadedAt", updated}}));
}

std::vector<Advisory> debian_advisories() {
  return {{"debian 12", "openssl", "CVE-2023-5363", "HIGH",
           "openssl: Incorrect cipher key and IV length processing", "3.0.11-1~deb12u2"},
          {"debian 12", "openssl", "CVE-2023-3446", "MEDIUM",
           "openssl: Excessive time spent checking DH keys and parameters", "3.0.10-1~deb12u1"},
          {"debian 12", "zlib", "CVE-2023-45853", "CRITICAL",
           "zlib: integer overflow and heap-based buffer overflow in zipOpenNewFileInZip4_6"}};
}

}  // namespace lighterman::support
