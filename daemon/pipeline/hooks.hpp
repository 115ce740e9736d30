#pragma once

#include <boost/json/value.hpp>
#include <stop_token>
#include <string>

#include "pipeline/journal.hpp"
#include "pipeline/yard.hpp"
#include "policy/decision.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// Asks the plugins on behalf of one run, tells its log what they decided, and stores the question
/// with the actions that follow. What may tell somebody outside (on_published, on_finished) is
/// asked once, however often the run begins again. Error(cancelled) where the stop broke a hook
/// off. One thread.
class Hooks {
 public:
  Hooks(Yard& yard, store::Store& store, Journal& journal, const Run& run)
      : yard_(yard), store_(store), journal_(journal), run_(run) {}

  policy::Decision ask(policy::Hook hook, const std::string& image, const boost::json::value& facts,
                       const std::stop_token& stop);

 private:
  void tell(policy::Hook hook, const std::string& image, const policy::Decision& decision);

  Yard& yard_;
  store::Store& store_;
  Journal& journal_;
  const Run& run_;
};

}  // namespace lighterman::pipeline
