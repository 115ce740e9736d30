#include <string>
#include <utility>
#include <vector>

#include "core/text.hpp"

namespace lighterman {
namespace {

/// One piece of a pattern. A match walks the set of places it could be at, so that no pattern,
/// however hostile, takes longer than pattern times text.
struct Piece {
  enum class Kind {
    one,        ///< exactly `letter`
    any,        ///< `?`
    some,       ///< `*`
    all,        ///< `**`
    no_folder,  ///< in front of `folders`: `**/` may stand for nothing at all
    folders,    ///< the `**/` that stands for something
    choice,     ///< `[...]`
  } kind;
  char32_t letter = 0;
  bool negated = false;
  std::vector<std::pair<char32_t, char32_t>> ranges = {};
};

/// The characters of a text; a byte that is not UTF-8 stands for itself, beyond all characters.
std::u32string characters(std::string_view text) {
  std::u32string result;
  const std::string valid = valid_utf8(text);
  const bool clean = valid == text;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = !clean || lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length == 1) {
      result += lead < 0x80 ? char32_t{lead} : char32_t{0x110000} + lead;
    } else {
      char32_t letter = lead & (0xFF >> (length + 1));
      for (std::size_t j = 1; j < length; ++j)
        letter = letter << 6 | (static_cast<unsigned char>(text[i + j]) & 0x3F);
      result += letter;
    }
    i += length;
  }
  return result;
}

/// Reads `[...]` at `at`; false when it has no end and so is an ordinary '['.
bool read_choice(const std::u32string& pattern, std::size_t& at, Piece& piece) {
  std::size_t i = at + 1;
  piece = {Piece::Kind::choice};
  if (i < pattern.size() && (pattern[i] == U'!' || pattern[i] == U'^')) {
    piece.negated = true;
    ++i;
  }
  for (bool first = true; i < pattern.size() && (first || pattern[i] != U']'); first = false) {
    if (pattern[i] == U'\\' && i + 1 < pattern.size()) ++i;
    const char32_t low = pattern[i++];
    char32_t high = low;
    if (i + 1 < pattern.size() && pattern[i] == U'-' && pattern[i + 1] != U']') {
      high = pattern[i + 1];
      i += 2;
    }
    piece.ranges.emplace_back(low, high);
  }
  if (i >= pattern.size()) return false;
  at = i + 1;
  return true;
}

std::vector<Piece> pieces_of(const std::u32string& pattern) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < pattern.size();) {
    const char32_t letter = pattern[i];
    if (letter == U'*') {
      const bool begins = i == 0 || pattern[i - 1] == U'/';
      std::size_t end = i;
      while (end < pattern.size() && pattern[end] == U'*') ++end;
      if (end - i == 1) {
        pieces.push_back({Piece::Kind::some});
      } else if (begins && end < pattern.size() && pattern[end] == U'/') {
        pieces.push_back({Piece::Kind::no_folder});
        pieces.push_back({Piece::Kind::folders});
        ++end;
      } else {
        pieces.push_back({Piece::Kind::all});
      }
      i = end;
    } else if (letter == U'?') {
      pieces.push_back({Piece::Kind::any});
      ++i;
    } else if (Piece choice{}; letter == U'[' && read_choice(pattern, i, choice)) {
      pieces.push_back(std::move(choice));
    } else {
      if (letter == U'\\' && i + 1 < pattern.size()) ++i;
      pieces.push_back({Piece::Kind::one, pattern[i++]});
    }
  }
  return pieces;
}

bool fits(const Piece& piece, char32_t letter) {
  switch (piece.kind) {
    case Piece::Kind::one:
      return letter == piece.letter;
    case Piece::Kind::any:
    case Piece::Kind::some:
      return letter != U'/';
    case Piece::Kind::all:
    case Piece::Kind::folders:
      return true;
    case Piece::Kind::no_folder:
      return false;
    case Piece::Kind::choice:
      break;
  }
  if (letter == U'/') return false;
  bool found = false;
  for (const auto& [low, high] : piece.ranges) found = found || (letter >= low && letter <= high);
  return found != piece.negated;
}

/// Adds the places that are reached from place `i` without reading a character.
void reach(const std::vector<Piece>& pieces, std::vector<char>& places, std::size_t i) {
  for (; !places[i]; ++i) {
    places[i] = 1;
    if (i == pieces.size()) return;
    const Piece::Kind kind = pieces[i].kind;
    if (kind == Piece::Kind::no_folder) {
      reach(pieces, places, i + 2);
      places[i + 1] = 1;
      return;
    }
    if (kind != Piece::Kind::some && kind != Piece::Kind::all) return;
  }
}

}  // namespace

bool matches_glob(std::string_view pattern, std::string_view text) {
  const std::vector<Piece> pieces = pieces_of(characters(pattern));
  std::vector<char> places(pieces.size() + 1), next(pieces.size() + 1);
  reach(pieces, places, 0);
  for (const char32_t letter : characters(text)) {
    std::fill(next.begin(), next.end(), 0);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (!places[i] || !fits(pieces[i], letter)) continue;
      const Piece::Kind kind = pieces[i].kind;
      if (kind == Piece::Kind::some || kind == Piece::Kind::all) {
        reach(pieces, next, i);
      } else if (kind == Piece::Kind::folders) {
        next[i] = 1;
        if (letter == U'/') reach(pieces, next, i + 1);
      } else {
        reach(pieces, next, i + 1);
      }
    }
    std::swap(places, next);
  }
  return places.back() != 0;
}

}  // namespace lighterman
