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

/// What one of the file's first comments says ("# escape=`", "# syntax=docker/dockerfile:1");
/// empty: none does.
std::string directive(const std::vector<std::string>& lines, std::string_view name) {
  for (const std::string& line : lines) {
    const std::string_view text = trim(line);
    if (!text.starts_with('#')) break;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) break;
    if (lower(trim(text.substr(1, equals - 1))) != name) continue;
    return std::string(trim(text.substr(equals + 1)));
  }
  return {};
}

/// An instruction without flags and outer quotes, the same for a Dockerfile and a history.
std::string bare(std::string_view text) {
  std::vector<std::string> words = words_of(text);
  std::erase_if(words, [](const std::string& word) { return word.starts_with("--"); });
  return join(words, " ");
}

/// `created_by` as the Dockerfile may have said it: "RUN /bin/sh -c make # buildkit" (BuildKit),
/// "/bin/sh -c make", "|1 A=b /bin/sh -c make" and "/bin/sh -c #(nop)  CMD [..]" (classic).
std::string instruction_in(std::string_view created_by) {
  constexpr std::string_view shell = "/bin/sh -c ", nothing = "#(nop) ", mark = "# buildkit";
  created_by = trim(created_by);
  if (created_by.ends_with(mark))
    created_by = trim(created_by.substr(0, created_by.size() - mark.size()));
  bool run = created_by.starts_with("RUN ");
  const bool with_args = created_by.starts_with('|') || created_by.starts_with("RUN |");
  if (const std::size_t at = created_by.find(shell);
      at != created_by.npos && (at == 0 || with_args || (run && at == 4))) {
    created_by.remove_prefix(at + shell.size());
    run = true;
  } else if (run) {
    created_by.remove_prefix(4);
  }
  if (created_by.starts_with(nothing)) return bare(created_by.substr(nothing.size()));
  return run ? bare(concat("RUN ", created_by)) : bare(created_by);
}

/// ${NAME}, $NAME, ${NAME:-word}, ${NAME:+word} (Dockerfile reference, "Environment replacement").
std::string filled_in(std::string_view text, const std::map<std::string, std::string>& values) {
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] != '$' || at + 1 == text.size()) {
      out += text[at++];
      continue;
    }
    const bool braces = text[at + 1] == '{';
    std::size_t end = at + (braces ? 2 : 1);
    const std::size_t begin = end;
    while (end < text.size() && is_name(text[end])) ++end;
    const auto found = values.find(std::string(text.substr(begin, end - begin)));
    const std::string value = found == values.end() ? "" : found->second;
    if (!braces) {
      out += value;
      at = end;
      continue;
    }
    const std::size_t close = std::min(text.find('}', end), text.size());
    const std::string_view rest = text.substr(end, close - end);
    const std::string_view word = rest.size() > 2 ? rest.substr(2) : std::string_view();
    if (rest.starts_with(":-")) {
      out += value.empty() ? word : std::string_view(value);
    } else if (rest.starts_with(":+")) {
      out += value.empty() ? std::string_view() : word;
    } else {
      out += value;
    }
    at = std::min(close + 1, text.size());
  }
  return out;
}

}  // namespace

Dockerfile::Dockerfile(std::string_view text) {
  const std::vector<std::string> lines = split(text, '\n');
  const std::string escaping = directive(lines, "escape");
  const char escape = escaping.empty() ? '\\' : escaping.front();
  syntax_ = directive(lines, "syntax");
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
    here_documents_ = here_documents_ || !ends.empty();
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

std::string Dockerfile::remote_source(const std::map<std::string, std::string>& args) const {
  const auto is_remote = [](std::string_view text) {
    return text.find("://") != std::string_view::npos ||
           text.find("git@") != std::string_view::npos;
  };
  bool variables =
      std::ranges::any_of(args, [&](const auto& arg) { return is_remote(arg.second); });
  for (const Instruction& each : instructions_) {
    variables =
        variables || ((each.keyword == "ARG" || each.keyword == "ENV") && is_remote(each.text));
    if (each.keyword != "ADD") continue;
    for (const std::string& word : words_of(each.text)) {
      if (word.starts_with("--")) continue;
      if (!is_remote(word) && !(variables && word.find('$') != std::string::npos)) continue;
      const std::size_t begin = std::min(word.find_first_not_of("[\""), word.size());
      return word.substr(begin, word.find_first_of("\",]", begin) - begin);
    }
  }
  return {};
}

Dockerfile::Place Dockerfile::place_of_history(std::string_view created_by) const {
  const std::string wanted = instruction_in(created_by);
  if (wanted.empty()) return {};
  // The classic builder shows "COPY file:<hash> in /path" for what it copied: only where to is
  // sure.
  const std::vector<std::string> words = words_of(wanted);
  const bool classic_copy =
      words.size() == 4 && words[2] == "in" && (words[0] == "COPY" || words[0] == "ADD");
  // From the end: the final stage made most of what an image holds.
  for (auto each = instructions_.rbegin(); each != instructions_.rend(); ++each) {
    const bool same = classic_copy ? each->keyword == words[0] && each->text.ends_with(words[3])
                                   : bare(each->text) == wanted;
    if (same) return {each->line, each->stage};
  }
  return {};
}

std::vector<Dockerfile::Base> Dockerfile::bases(
    const std::map<std::string, std::string>& args) const {
  std::map<std::string, std::string> values = args;
  std::vector<Base> bases;
  std::vector<std::string> stages;
  for (const Instruction& instruction : instructions_) {
    const std::vector<std::string> words = words_of(instruction.text);
    // Only an ARG before the first FROM counts for FROM.
    if (instruction.keyword == "ARG" && stages.empty()) {
      for (std::size_t word = 1; word < words.size(); ++word) {
        const std::size_t equals = words[word].find('=');
        if (equals == std::string::npos) continue;
        std::string value = filled_in(words[word].substr(equals + 1), values);
        std::erase(value, '"');
        values.emplace(words[word].substr(0, equals), value);
      }
    }
    if (instruction.keyword != "FROM") continue;
    const auto named = std::find_if(words.begin() + 1, words.end(), [](const std::string& word) {
      return !word.starts_with("--");
    });
    const std::string image = named == words.end() ? "" : filled_in(*named, values);
    const bool stage = std::find(stages.begin(), stages.end(), lower(image)) != stages.end();
    stages.push_back(instruction.stage);
    if (!image.empty() && !stage && lower(image) != "scratch") {
      bases.push_back({image, instruction.stage});
    }
  }
  return bases;
}

}  // namespace lighterman::engine
