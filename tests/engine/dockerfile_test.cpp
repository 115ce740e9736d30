#include "engine/dockerfile.hpp"

#include <gtest/gtest.h>

namespace lighterman::engine {
namespace {

constexpr std::string_view shop = R"(# syntax
ARG BASE=debian:12
ARG TAG
FROM --platform=linux/amd64 ${BASE} AS build
RUN make   all
COPY --chown=1:1 src /src
FROM alpine:${TAG:-3.18} AS tools
FROM scratch
FROM tools
COPY --from=build /out /bin/shop
CMD ["/bin/shop"]
)";

TEST(Dockerfile, NamesTheImagesThatFromBringsIn) {
  const auto bases = Dockerfile(shop).bases({});
  ASSERT_EQ(bases.size(), 2u);
  EXPECT_EQ(bases[0].image, "debian:12");
  EXPECT_EQ(bases[0].stage, "build");
  EXPECT_EQ(bases[1].image, "alpine:3.18");
  const auto others = Dockerfile(shop).bases({{"BASE", "busybox"}, {"TAG", "edge"}});
  EXPECT_EQ(others[0].image, "busybox");
  EXPECT_EQ(others[1].image, "alpine:edge");
}

TEST(Dockerfile, KnowsWhatComesFromElsewhere) {
  EXPECT_EQ(Dockerfile(shop).remote_source({}), "");
  EXPECT_EQ(Dockerfile("FROM a\nADD file /\nADD --chmod=644 \\\n  https://x.example/y /y\n")
                .remote_source({}),
            "https://x.example/y");
  EXPECT_EQ(Dockerfile("FROM a\nadd [\"git@x.example:y.git\", \"/y\"]\n").remote_source({}),
            "git@x.example:y.git");
  constexpr std::string_view by_variable = "ARG FROM\nFROM a\nARG FROM\nADD ${FROM}/tool /t\n";
  EXPECT_EQ(Dockerfile(by_variable).remote_source({{"FROM", "files"}}), "");
  EXPECT_EQ(Dockerfile(by_variable).remote_source({{"FROM", "https://x.example"}}), "${FROM}/tool");
}

TEST(Dockerfile, FindsTheLineBehindAHistoryOfEitherBuilder) {
  const Dockerfile file(shop);
  EXPECT_EQ(file.place_of_history("RUN /bin/sh -c make   all # buildkit").line, 5);
  EXPECT_EQ(file.place_of_history("/bin/sh -c make   all").line, 5);
  EXPECT_EQ(file.place_of_history("|1 TAG=x /bin/sh -c make all").line, 5);
  EXPECT_EQ(file.place_of_history("RUN |1 TAG=x /bin/sh -c make all # buildkit").line, 5);
  EXPECT_EQ(file.place_of_history("COPY /out /bin/shop # buildkit").line, 10);
  EXPECT_EQ(file.place_of_history("/bin/sh -c #(nop) COPY file:1f0c in /bin/shop").line, 10);
  EXPECT_EQ(file.place_of_history("/bin/sh -c #(nop)  CMD [\"/bin/shop\"]").line, 11);
  EXPECT_EQ(file.place_of_history("COPY src /src # buildkit").stage, "build");
}

TEST(Dockerfile, KnowsNothingOfWhatABaseBrought) {
  const Dockerfile file(shop);
  EXPECT_EQ(file.place_of_history("/bin/sh -c #(nop) ADD file:12 in / ").line, 0);
  EXPECT_EQ(file.place_of_history("").line, 0);
}

}  // namespace
}  // namespace lighterman::engine
