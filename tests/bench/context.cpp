// Streams a commit's build context to standard output: context MIRROR_FOLDER URL
#include "source/context.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int count, char** arguments) {
  using namespace lighterman;
  if (count != 3) {
    std::fputs("usage: context FOLDER URL\n", stderr);
    return 2;
  }
  source::Options options;
  options.name = "bench";
  options.url = arguments[2];
  source::Mirror mirror(options, arguments[1]);
  const source::Commit commit = mirror.fetch("refs/heads/main", "", [](auto, auto, auto) {}, {});
  const source::Context context(mirror, commit.id, ".", "");
  context.write(
      [](std::string_view bytes) {
        while (!bytes.empty()) {
          const ssize_t written = write(STDOUT_FILENO, bytes.data(), bytes.size());
          if (written <= 0) std::_Exit(1);
          bytes.remove_prefix(static_cast<std::size_t>(written));
        }
      },
      {});
  return 0;
}
