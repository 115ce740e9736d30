#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>
#include <string_view>

namespace lighterman::engine {

/// Cuts an answer's stream of JSON objects, one a line, into its objects. One thread at a time.
class JsonLines {
 public:
  explicit JsonLines(std::function<void(const boost::json::object&)> take)
      : take_(std::move(take)) {}

  void write(std::string_view bytes);  ///< throws Error(invalid) for what is no such stream
  void finish();                       ///< the last line may come without a line end

 private:
  void take_line(std::string_view line);

  std::function<void(const boost::json::object&)> take_;
  std::string partial_;
};

/// The text of a string member; empty where it is missing or something else.
std::string_view text_of(const boost::json::object& object, std::string_view key);
/// An object member; null where it is missing or something else.
const boost::json::object* object_of(const boost::json::object& object, std::string_view key);
/// A number member as bytes or a code; `otherwise` where it is missing or something else.
std::int64_t number_of(const boost::json::object& object, std::string_view key,
                       std::int64_t otherwise = 0);

/// Cuts a program's output into lines fit for a journal: UTF-8, with colours and without other
/// escape sequences and control characters; of a line rewritten by carriage returns the last state.
/// A line longer than 16 KiB comes in pieces. One thread at a time.
class OutputLines {
 public:
  explicit OutputLines(std::function<void(std::string line)> take) : take_(std::move(take)) {}

  void write(std::string_view bytes);
  void finish();  ///< gives out what has no line end yet

 private:
  void give();

  std::function<void(std::string line)> take_;
  std::string partial_;
  bool returned_ = false;
};

/// A text as one line for people, without control characters.
std::string one_line(std::string_view text);

}  // namespace lighterman::engine
