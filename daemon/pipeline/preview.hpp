#pragma once

#include <boost/json/value.hpp>
#include <stop_token>

#include "core/push_event.hpp"
#include "pipeline/yard.hpp"
#include "store/store.hpp"

namespace lighterman::pipeline {

/// What this push would do now: built, tagged, denied, signed, replicated, with the plugin behind
/// each. Nothing happens but a fetch. Plugins that judge a finished image are shown the last one
/// that was staged, under this push; where there is none, one without layers. Capabilities only
/// look (registry, HTTP GET); other uses are told as problems.
///
/// {"source", "ref", "commit", "title", "author", "images": [{"name", "targets", "tags", "args",
/// "labels", "target", "platform", "skipped"?, "judged_by"?, "denied"?, "said": [{"hook",
/// "plugin", "text"}]}]}. Error as a run would have it: not_found, denied, unavailable, invalid.
boost::json::value preview(Yard& yard, store::Store& store, const PushEvent& event,
                           const std::stop_token& stop);

}  // namespace lighterman::pipeline
