#include "api/head.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lighterman::api {
namespace {

std::string fault_of(const std::string& lines) {
  const std::string bytes = "POST / HTTP/1.1\r\n" + lines + "\r\n";
  return std::string(find_head(bytes).value().fault);
}

TEST(Head, IsThereOnceItsEmptyLineIs) {
  EXPECT_FALSE(find_head("GET / HTTP/1.1\r\nHost: a\r\n"));
  const auto head = find_head("GET / HTTP/1.1\r\nHost: a\r\n\r\nrest");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->size, 27U);
  EXPECT_EQ(head->find("host"), "a");
  EXPECT_FALSE(head->has_body());
}

TEST(Head, KeepsValuesAsTheyWereSent) {
  const auto head = find_head("GET / HTTP/1.1\r\nX-Gitlab-Token:  a%41b \r\nEmpty:\r\n\r\n");
  EXPECT_EQ(head->find("x-gitlab-token"), "a%41b");
  EXPECT_EQ(head->headers.size(), 2U);
}

TEST(Head, SaysHowLongTheBodyIs) {
  const auto head =
      find_head("POST / HTTP/1.1\r\ncontent-LENGTH: 12\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(head->length, 12U);
  EXPECT_TRUE(head->awaits_continue);
  EXPECT_TRUE(find_head("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")->chunked);
}

TEST(Head, RefusesWhatAProxyCouldReadInAnotherWay) {
  EXPECT_NE(fault_of("Content-Length: 1\r\nContent-Length: 1\r\n"), "");
  EXPECT_NE(fault_of("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), "");
  EXPECT_NE(fault_of("Transfer-Encoding: gzip, chunked\r\n"), "");
  EXPECT_NE(fault_of("Content-Length: +1\r\n"), "");
  EXPECT_NE(fault_of("Content-Length: 99999999999999999999999\r\n"), "");
  EXPECT_NE(fault_of("Content-Length : 1\r\n"), "");
  EXPECT_NE(fault_of("A: 1\r\n folded\r\n"), "");
  EXPECT_NE(fault_of(std::string("A: 1\0\r\n", 7)), "");
  EXPECT_NE(fault_of("A: 1\nB: 2\r\n"), "");
  EXPECT_EQ(fault_of("Content-Length: 1\r\n"), "");
}

}  // namespace
}  // namespace lighterman::api
