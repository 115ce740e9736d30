#include "store/backup.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "core/error.hpp"
#include "os/file.hpp"
#include "store/figures.hpp"
#include "store/schema.hpp"
#include "support/first_store.hpp"

namespace lighterman::store {
namespace {

PushEvent event(int number) {
  PushEvent push;
  push.source = "shop";
  push.delivery = std::to_string(number);
  push.ref = "refs/heads/main";
  push.commit = std::string(40, 'a');
  push.received = Instant(std::chrono::hours(1000));
  return push;
}

TEST(Backup, IsOfOneMomentWhileOthersWrite) {
  const os::ScratchFolder folder;
  Store store({folder.path() / "l.db"});
  std::atomic<int> written{0};
  std::jthread writer([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      store.add(event(written + 1), Store::Supersede::no);
      ++written;
    }
  });
  while (written < 50) std::this_thread::yield();
  for (int turn = 0; turn < 5; ++turn) {
    const std::filesystem::path file = folder.path() / concat("copy", turn);
    const int before = written;
    back_up(store, file);
    const BackupCheck found = check_backup(file);
    EXPECT_GE(found.runs, before);
    EXPECT_LE(found.runs, written + 1);
    Store copy({file});
    RunFilter all;
    all.limit = 100'000;
    const auto runs = copy.list(all);
    ASSERT_EQ(static_cast<std::int64_t>(runs.size()), found.runs) << "each run has its event";
    EXPECT_EQ(runs.front().id, found.runs);
  }
  writer = {};
  EXPECT_EQ(std::filesystem::status(folder.path() / "copy0").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(Backup, NeverReplacesAFile) {
  const os::ScratchFolder folder;
  Store store({folder.path() / "l.db"});
  os::replace_file(folder.path() / "mine", "precious");
  try {
    back_up(store, folder.path() / "mine");
    FAIL() << "it was replaced";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::conflict);
  }
  EXPECT_EQ(os::read_file(folder.path() / "mine"), "precious");
}

TEST(Backup, ThatIsDamagedOrAnothersIsRefused) {
  const os::ScratchFolder folder;
  Store store({folder.path() / "l.db"});
  for (int number = 0; number < 500; ++number) store.add(event(number), Store::Supersede::no);
  const std::filesystem::path file = folder.path() / "copy";
  back_up(store, file);
  std::string bytes = os::read_file(file, 100 << 20);
  ASSERT_GT(bytes.size(), 100'000U);
  const auto kind_of = [&](const std::string& content) {
    os::replace_file(file, content);
    try {
      check_backup(file);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::cancelled;
  };
  EXPECT_EQ(kind_of("this is no database, and never was one"), ErrorKind::invalid);
  std::string holed = bytes;
  holed.replace(holed.size() / 2, 5000, std::string(5000, '\x7f'));
  EXPECT_NE(kind_of(holed), ErrorKind::cancelled);
  EXPECT_EQ(kind_of(bytes), ErrorKind::cancelled) << "the whole one is good";
}

TEST(Upgrade, KeepsWhatTheFirstVersionWrote) {
  const os::ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "l.db";
  support::make_first_store(file);
  Store store({file});
  const auto runs = store.list({});
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].state, RunState::queued);
  EXPECT_EQ(runs[1].state, RunState::failed);
  EXPECT_EQ(runs[1].why, "the disk was full");
  EXPECT_EQ(runs[1].event.author, "ann");
  EXPECT_EQ(store.journal(1, 0, 10).at(0).text, "hello from the past");
  EXPECT_EQ(store.stages(1).at(0).name, "source");
  EXPECT_EQ(store.figures().ends.at(0).runs, 1) << "counts are made for what ended before";
  EXPECT_EQ(store.claim({})->id, 2);
  EXPECT_EQ(check_backup(file).schema, static_cast<std::int64_t>(schema_steps().size()));
}

TEST(Upgrade, RefusesAStoreOfANewerVersion) {
  const os::ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "l.db";
  support::make_first_store(file);
  {
    Connection database(file, Connection::Access::write);
    database.execute("PRAGMA user_version = 1000");
  }
  try {
    const Store store({file});
    FAIL() << "it was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::conflict);
    EXPECT_NE(std::string(error.what()).find("newer Lighterman"), std::string::npos);
  }
}

}  // namespace
}  // namespace lighterman::store
