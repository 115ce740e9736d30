#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lighterman::engine {

/// Where the instructions of a Dockerfile stand. Engines report a failed step by its text and
/// number only, so this finds the line to show to people; nothing is decided by it. Any thread.
class Dockerfile {
 public:
  explicit Dockerfile(std::string_view text);

  /// Of BuildKit's "[build 3/4] RUN make"; 0: not known.
  int line_of_vertex(std::string_view name) const;
  /// Of the classic builder's instruction number `number` (from 1); 0: not known.
  int line_of_instruction(unsigned number, std::string_view text) const;

  struct Place {
    int line = 0;       ///< 0: not known, as for what a base image brought
    std::string stage;  ///< its name, or "stage-N"
  };
  /// Where the instruction stands that an image's history (OCI image-spec, config.md, `created_by`)
  /// shows as this, whichever builder wrote it.
  Place place_of_history(std::string_view created_by) const;

  struct Base {
    std::string image;  ///< as FROM names it, variables filled in
    std::string stage;
  };
  /// The images that FROM brings in, in the file's order, without stages and "scratch".
  std::vector<Base> bases(const std::map<std::string, std::string>& args) const;
  /// The frontend that it names ("# syntax=docker/dockerfile:1"); empty: the engine's own reads it.
  const std::string& syntax() const noexcept { return syntax_; }
  bool has_here_documents() const noexcept { return here_documents_; }
  /// What an ADD takes from a URL or a git repository, or may take by a variable; the first of
  /// them; empty: none does.
  std::string remote_source(const std::map<std::string, std::string>& args) const;

 private:
  struct Instruction {
    int line = 0;
    std::string keyword;  ///< upper case
    std::string text;     ///< whole, white space made single
    std::string stage;    ///< its name, or "stage-N"; empty before the first FROM
    unsigned place = 0;   ///< BuildKit's number within the stage; 0: not counted
  };
  void add(int line, std::string_view text);

  std::vector<Instruction> instructions_;
  std::vector<std::string> stages_;
  std::string syntax_;
  bool here_documents_ = false;
  unsigned place_ = 0;
};

}  // namespace lighterman::engine
