#include "cli/verbs.hpp"

#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <iostream>

#include "cli/live_log.hpp"
#include "cli/views.hpp"
#include "core/error.hpp"
#include "core/json.hpp"
#include "core/text.hpp"

namespace lighterman::cli {
namespace {

void print_json(const boost::json::value& value) {
  std::cout << boost::json::serialize(value) << '\n';
}

std::string path_of(RunId run, std::string_view rest = "") {
  return concat("/api/v1/runs/", run, rest);
}

RunId id_of(const boost::json::value& run) { return Fields(run, "run").integer("id"); }

/// A run that was skipped did what was asked of it: nothing in it had to be built.
int exit_code_of(const boost::json::value& run) {
  const std::string state = Fields(run, "run").text("state");
  return state == "succeeded" || state == "skipped" ? 0 : 1;
}

int follow_run(Remote& remote, RunId run, Form form) {
  boost::json::value end;
  if (form == Form::json) {
    end = remote.follow(run, [](std::string_view event, const boost::json::value& value) {
      print_json({{"event", event}, {"data", value}});
      std::cout.flush();
    });
  } else {
    LiveLog log(std::cout, Terminal::of(STDOUT_FILENO));
    end = remote.follow(run, [&](std::string_view event, const boost::json::value& value) {
      if (event == "line") log.add(value);
    });
  }
  if (form == Form::text) show_end(std::cout, end);
  return exit_code_of(end);
}

}  // namespace

boost::json::object args_of(const std::vector<std::string>& given) {
  boost::json::object args;
  for (const std::string& each : given) {
    const std::size_t equals = each.find('=');
    const std::string name = each.substr(0, equals);
    const char* variable = std::getenv(name.c_str());
    if (equals == std::string::npos && !variable)
      throw Error(ErrorKind::invalid,
                  concat("--arg \"", name, "\" has no value, and no variable is called that"));
    args[name] = equals == std::string::npos ? variable : each.substr(equals + 1);
  }
  return args;
}

int run(Remote& remote, const RunWish& wish, Form form) {
  if (wish.ref.empty() && wish.commit.empty())
    throw Error(ErrorKind::invalid,
                "say what to build: --ref main, --ref tag:v1.0, or --commit with a full id");
  boost::json::object body{{"source", wish.source}};
  if (!wish.ref.empty()) body["ref"] = wish.ref;
  if (!wish.commit.empty()) body["commit"] = wish.commit;
  if (!wish.reason.empty()) body["reason"] = wish.reason;
  if (!wish.images.empty()) body["images"] = json_array(wish.images);
  if (!wish.args.empty()) body["args"] = args_of(wish.args);
  if (wish.no_cache) body["no_cache"] = true;
  const boost::json::value begun = remote.post("/api/v1/runs", body);
  if (wish.follow) return follow_run(remote, id_of(begun), form);
  if (form == Form::json) {
    print_json(begun);
  } else {
    std::cout << "run " << id_of(begun) << " is queued; follow it with: lighterman logs -f "
              << id_of(begun) << '\n';
  }
  return 0;
}

int runs(Remote& remote, const RunsWish& wish, Form form) {
  std::string path = concat("/api/v1/runs?limit=", wish.limit);
  for (const auto& [name, value] : {std::pair{"source", wish.source},
                                    {"branch", wish.branch},
                                    {"commit", wish.commit},
                                    {"state", wish.state}})
    if (!value.empty()) path += concat('&', name, '=', render_url_part(value));
  const boost::json::value answer = remote.get(path);
  if (form == Form::json) {
    print_json(answer);
  } else {
    show_runs(std::cout, Fields(answer, "answer").list("runs"));
  }
  return 0;
}

int show(Remote& remote, RunId run, Form form) {
  const boost::json::value answer = remote.get(path_of(run));
  if (form == Form::json) {
    print_json(answer);
  } else {
    show_run(std::cout, answer);
  }
  return 0;
}

int explain(Remote& remote, RunId run, Form form) {
  const boost::json::value answer = remote.get(path_of(run));
  if (form == Form::json) {
    print_json(answer);
  } else {
    show_explanation(std::cout, answer);
  }
  return 0;
}

int logs(Remote& remote, RunId run, bool follow, Form form) {
  if (follow) return follow_run(remote, run, form);
  if (form == Form::text) {
    const bool color = Terminal::of(STDOUT_FILENO).color;
    std::string line;
    remote.stream(path_of(run, "/log"), [&](std::string_view bytes) {
      for (const char letter : bytes) {
        if (letter != '\n') {
          line += letter;
          continue;
        }
        std::cout << harmless(line, color) << '\n';
        line.clear();
      }
    });
    std::cout << harmless(line, color);
    return 0;
  }
  for (std::int64_t after = 0;;) {
    const auto page = remote.get(path_of(run, concat("/log?after=", after)));
    const Fields fields(page, "log");
    const auto lines = fields.list("lines");
    for (const boost::json::value& line : lines) print_json(line);
    if (lines.empty() || !fields.find("next")) return 0;
    after = fields.integer("next");
  }
}

int status(Remote& remote, Form form) {
  const boost::json::value answer = remote.get("/api/v1/status");
  const Fields status(answer, "status");
  const bool ready = status.flag_or("ready", false);
  if (form == Form::json) {
    print_json(answer);
    return ready ? 0 : 1;
  }
  std::cout << "lighterman " << status.text("version") << " at " << remote.server() << " is "
            << (ready ? "ready" : concat("not ready: ", harmless(status.text("why"), false)))
            << '\n';
  for (const boost::json::value& each : status.list("keys")) {
    const Fields key(each, "key");
    std::cout << "key " << harmless(key.text("name"), false) << ": " << key.text("state") << ", "
              << key.integer("age_days") << " days old, limit " << key.text("limit").substr(0, 10)
              << '\n';
  }
  std::cout.flush();
  for (const std::string& warning : status.texts("warnings"))
    std::cerr << "warning: " << harmless(warning, false) << '\n';
  return ready ? 0 : 1;
}

int cancel(Remote& remote, RunId run, const std::string& reason, Form form) {
  boost::json::object body;
  if (!reason.empty()) body["reason"] = reason;
  const boost::json::value answer = remote.post(path_of(run, "/cancel"), body);
  if (form == Form::json) {
    print_json(answer);
  } else {
    std::cout << "run " << run << " is being cancelled\n";
  }
  return 0;
}

int allow(Remote& remote, RunId run, const std::string& reason, bool follow, Form form) {
  const boost::json::value answer =
      remote.post(path_of(run, "/allow"), boost::json::object{{"reason", reason}});
  if (follow) return follow_run(remote, run, form);
  if (form == Form::json) {
    print_json(answer);
  } else {
    std::cout << "run " << run << " publishes what was denied\n";
  }
  return 0;
}

int retry(Remote& remote, RunId run, bool follow, Form form) {
  const boost::json::value begun = remote.post(path_of(run, "/retry"), boost::json::object());
  if (follow) return follow_run(remote, id_of(begun), form);
  if (form == Form::json) {
    print_json(begun);
  } else {
    std::cout << "run " << id_of(begun) << " tries run " << run << " again\n";
  }
  return 0;
}

int images(Remote& remote, const ImagesWish& wish, Form form) {
  std::string path = concat("/api/v1/images?limit=", wish.limit);
  for (const auto& [name, value] : {std::pair{"source", wish.source},
                                    {"image", wish.image},
                                    {"clean_on", wish.clean_on},
                                    {"clean", std::string(wish.dirty ? "false" : "")},
                                    {"gone", std::string(wish.gone ? "true" : "")}})
    if (!value.empty()) path += concat('&', name, '=', render_url_part(value));
  const boost::json::value answer = remote.get(path);
  if (form == Form::json) {
    print_json(answer);
  } else {
    show_images(std::cout, Fields(answer, "answer").list("images"));
  }
  return 0;
}

int why(Remote& remote, const std::string& image, Form form) {
  const boost::json::value answer =
      remote.get(concat("/api/v1/why?image=", render_url_part(image)));
  if (form == Form::json) {
    print_json(answer);
  } else {
    show_why(std::cout, answer);
  }
  return 0;
}

int rescan(Remote& remote, Form form) {
  const boost::json::value answer = remote.post("/api/v1/rescan", boost::json::object());
  if (form == Form::json) {
    print_json(answer);
  } else {
    std::cout << "published images are being scanned again; `lighterman images` tells how they "
                 "stand\n";
  }
  return 0;
}

}  // namespace lighterman::cli
