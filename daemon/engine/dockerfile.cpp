#include "engine/dockerfile.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/text.hpp"

namespace lighterman::engine {
namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      if (!word.empty()) words.push_back(std::move(word));
      word.clear();
    } else {
      word.push_back(c);
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

/// The end marks of the here-documents that an instruction opens: "<<EOF", "<<-EOF", `<<"EOF"`.
std::vector<std::string> here_documents(std::string_view text) {
  std::vector<std::string> ends;
  for (std::size_t at = text.find("<<"); at != std::string_view::npos; at = text.find("<<", at)) {
    at += 2;
    if (at < text.size() && text[at] == '-') ++at;
    const bool quoted = at < text.size() && (text[at] == '"' || text[at] == '\'');
    if (quoted) ++at;
    std::size_t end = at;
    const auto in_word = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    while (end < text.size() && in_word(text[end])) ++end;
    if (end > at) ends.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return ends;
}

std::optional<unsigned> number_in(std::string_view text) {
  unsigned number = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// The character that continues a line: '\' unless the file's first comments say "escape=`".
char escape_of(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    const std::string_view text = trim(line);
    if (!text.starts_with('#')) break;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) break;
    if (lower(trim(text.substr(1, equals - 1))) != "escape") continue;
    const std::string_view value = trim(text.substr(equals + 1));
    if (!value.empty()) return value.front();
  }
  return '\\';
}

}  // namespace

Dockerfile::Dockerfile(std::string_view text) {
  const std::vector<std::string> lines = split(text, '\n');
  const char escape = escape_of(lines);
  std::string gathered;
  int first = 0;
  std::vector<std::string> ends;
  for (std::size_t at = 0; at < lines.size(); ++at) {
    const std::string_view line = trim(lines[at]);
    if (!ends.empty()) {
      if (line == ends.front()) ends.erase(ends.begin());
      continue;
    }
    // Comments and empty lines may stand between the parts of one instruction.
    if (line.empty() || line.starts_with('#')) continue;
    if (gathered.empty()) first = static_cast<int>(at) + 1;
    if (line.back() == escape) {
      gathered.append(line.substr(0, line.size() - 1)).push_back(' ');
      continue;
    }
    gathered.append(line);
    add(first, gathered);
    const std::string& keyword = instructions_.back().keyword;
    if (keyword == "RUN" || keyword == "COPY" || keyword == "ADD") ends = here_documents(gathered);
    gathered.clear();
  }
  if (!trim(gathered).empty()) add(first, gathered);
}

void Dockerfile::add(int line, std::string_view text) {
  std::vector<std::string> words = words_of(text);
  Instruction instruction;
  instruction.line = line;
  instruction.keyword = upper(words.front());
  if (instruction.keyword == "FROM") {
    std::vector<std::string> names;
    std::copy_if(words.begin() + 1, words.end(), std::back_inserter(names),
                 [](const std::string& word) { return !word.starts_with("--"); });
    const std::string base = names.empty() ? std::string() : names.front();
    // BuildKit counts FROM as a step only where it brings in an image.
    const bool brings = lower(base) != "scratch" &&
                        std::find(stages_.begin(), stages_.end(), lower(base)) == stages_.end();
    place_ = brings ? 1 : 0;
    instruction.place = place_;
    stages_.push_back(names.size() >= 3 && upper(names[1]) == "AS"
                          ? lower(names[2])
                          : concat("stage-", stages_.size()));
  } else if (instruction.keyword == "RUN" || instruction.keyword == "COPY" ||
             instruction.keyword == "ADD" || instruction.keyword == "WORKDIR") {
    instruction.place = ++place_;
  }
  if (!stages_.empty()) instruction.stage = stages_.back();
  words.front() = instruction.keyword;
  instruction.text = join(words, " ");
  instructions_.push_back(std::move(instruction));
}

int Dockerfile::line_of_vertex(std::string_view name) const {
  const std::size_t close = name.find("] ");
  if (!name.starts_with('[') || close == std::string_view::npos) return 0;
  const std::vector<std::string> mark = words_of(name.substr(1, close - 1));
  const std::vector<std::string> words = words_of(name.substr(close + 2));
  if (mark.empty() || words.empty()) return 0;
  // "[3/4]" where there is one stage, "[build 3/4]" and "[linux/arm64 build 3/4]" otherwise.
  const std::string stage = mark.size() > 1 ? lower(mark[mark.size() - 2]) : std::string();
  const std::string& fraction = mark.back();
  const std::optional<unsigned> place = number_in(fraction.substr(0, fraction.find('/')));
  if (!place || fraction.find('/') == std::string::npos) return 0;

  const std::string text = join(words, " ");
  const Instruction* same_text = nullptr;
  const Instruction* same_place = nullptr;
  unsigned alike = 0;
  for (const Instruction& instruction : instructions_) {
    if (!stage.empty() && instruction.stage != stage) continue;
    if (instruction.text == text) {
      same_text = &instruction;
      ++alike;
    }
    if (instruction.place == *place && instruction.keyword == words.front() && !same_place) {
      same_place = &instruction;
    }
  }
  // The text is surest; it differs where variables were put in, and then the number helps.
  if (alike == 1) return same_text->line;
  return same_place ? same_place->line : 0;
}

int Dockerfile::line_of_instruction(unsigned number, std::string_view text) const {
  if (number == 0 || number > instructions_.size()) return 0;
  const Instruction& instruction = instructions_[number - 1];
  const std::vector<std::string> words = words_of(text);
  return !words.empty() && upper(words.front()) == instruction.keyword ? instruction.line : 0;
}

}  // namespace lighterman::engine
