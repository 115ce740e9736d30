#include "pipeline/stage.hpp"

#include <boost/json.hpp>

namespace lighterman::pipeline {

void StageRecord::fail(const char* why, std::string_view kind) {
  store_.end_stage(run_, image_, name_, StageState::failed,
                   boost::json::object{{"error", why}, {"kind", std::string(kind)}});
}

}  // namespace lighterman::pipeline
