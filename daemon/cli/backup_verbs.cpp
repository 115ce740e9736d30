#include "cli/backup_verbs.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <memory>

#include "audit/trail.hpp"
#include "cli/data_lock.hpp"
#include "cli/local_store.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "os/file.hpp"
#include "store/backup.hpp"

namespace lighterman::cli {
namespace {

/// What the words of the command line fill.
struct BackupWords {
  std::filesystem::path config = "/etc/lighterman/lighterman.yml", file;
  bool json = false;
};

/// What a new machine needs besides the store. Mirrors and staged images come again by themselves.
std::vector<std::string> needed_besides(const config::Config& config) {
  std::vector<std::string> needed{
      concat("the configuration ", config.file.string(), ", and the files of secrets it names")};
  if (config.keys)
    needed.push_back(concat("the keys in ", config.keys->folder.string(), ", and their password"));
  return needed;
}

int back_up(const BackupWords& words) {
  LocalStore local = LocalStore::open(words.config);
  store::back_up(local.store, words.file);
  const store::BackupCheck made = store::check_backup(words.file);
  const std::uintmax_t size = std::filesystem::file_size(words.file);
  audit::Trail(local.store)
      .add({.who = local_user(), .deed = "backup", .subject = words.file.string()});
  const std::vector<std::string> needed = needed_besides(local.config);
  if (words.json) {
    std::cout << boost::json::serialize(boost::json::object{{"file", words.file.string()},
                                                            {"bytes", size},
                                                            {"schema", made.schema},
                                                            {"runs", made.runs},
                                                            {"needed_besides", json_array(needed)}})
              << '\n';
    return 0;
  }
  std::cout << words.file.string() << ": " << made.runs << " runs, " << render_size(size)
            << ", read again and found good\n";
  for (const std::string& each : needed) std::cout << "keep besides: " << each << '\n';
  return 0;
}

/// In place of the present store, which is kept beside it under another name.
int restore(const BackupWords& words) {
  const config::Config config = load_config(words.config);
  const store::BackupCheck found = store::check_backup(words.file);
  std::error_code error;
  std::filesystem::create_directories(config.data, error);
  const DataLock lock(config.data);
  const std::filesystem::path store_file = config.data / "lighterman.db";
  const std::filesystem::path coming = config.data / "lighterman.db.coming";
  struct stat owner {};
  const bool known = ::stat(config.data.c_str(), &owner) == 0;
  {
    os::File out = os::File::create(coming);
    const os::File in = os::File::open_to_read(words.file);
    std::string piece(1 << 20, '\0');
    std::uint64_t at = 0;
    while (const std::size_t count = in.read_at(at, piece.data(), piece.size())) {
      out.write_at(at, std::string_view(piece).substr(0, count));
      at += count;
    }
    out.sync();
  }
  // The daemon's user owns its data, whoever restores it.
  if (known && ::geteuid() == 0 && ::chown(coming.c_str(), owner.st_uid, owner.st_gid) != 0)
    throw Error(ErrorKind::denied,
                concat('"', coming.string(), "\" cannot be given to the owner of its folder"));
  const std::string ending = concat(".before-", render_time(system_now()));
  std::string kept;
  // The log goes with the file it belongs to: another file must never find it.
  for (const char* part : {"", "-wal", "-shm"}) {
    const std::filesystem::path from = store_file.string() + part;
    if (!std::filesystem::exists(from, error)) continue;
    const std::filesystem::path to = store_file.string() + ending + part;
    std::filesystem::rename(from, to);
    if (kept.empty()) kept = to.string();
  }
  std::filesystem::rename(coming, store_file);
  os::sync_folder(config.data);
  {
    // Brings it to our schema, too.
    store::Store store({store_file});
    audit::Trail(store).add(
        {.who = local_user(), .deed = "restore", .subject = words.file.string()});
  }
  if (known && ::geteuid() == 0) {
    for (const char* part : {"-wal", "-shm"}) {
      const std::string log = store_file.string() + part;
      if (std::filesystem::exists(log, error) &&
          ::chown(log.c_str(), owner.st_uid, owner.st_gid) != 0)
        throw Error(ErrorKind::denied, concat('"', log, "\" cannot be given to its owner"));
    }
  }
  if (words.json) {
    std::cout << boost::json::serialize(boost::json::object{
                     {"runs", found.runs}, {"schema", found.schema}, {"kept", kept}})
              << '\n';
    return 0;
  }
  std::cout << store_file.string() << " is what " << words.file.string() << " was: " << found.runs
            << " runs\n";
  if (!kept.empty()) std::cout << "what was there before is " << kept << '\n';
  return 0;
}

}  // namespace

void add_backup_verbs(CLI::App& app, std::function<int()>& chosen) {
  const auto words = std::make_shared<BackupWords>();  // the verbs share them, whichever is chosen
  const auto add = [&](const std::string& name, const std::string& meaning, const std::string& file,
                       int (*act)(const BackupWords&)) {
    CLI::App* verb = app.add_subcommand(name, meaning);
    verb->add_option("file", words->file, file)->required();
    verb->add_option("--config", words->config, "The configuration file")->capture_default_str();
    verb->add_flag("--json", words->json, "Print JSON for programs");
    verb->callback([&chosen, words, act] { chosen = [words, act] { return act(*words); }; });
  };
  add("backup", "Copy the daemon's database into a new file, while the daemon runs",
      "Where to write it", back_up);
  add("restore", "Put a backup in place of the database, while no daemon runs",
      "What `backup` wrote", restore);
}

}  // namespace lighterman::cli
