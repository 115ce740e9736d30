-- gate-branch-owners.lua: only their owners' pushes to a branch or tag are built, or published.
--
-- `owners` says who, by glob of the branch, or of refs/tags/...: {main: [ann, "*@ops.example.com"],
-- "refs/tags/v*": [release-bot]}. The longest glob that fits decides, an exact name before all; what
-- none fits is free. `stop: build` skips the push; `stop: publish` lets it be built, scanned and
-- judged, and refuses to publish it. The author is who the forge says pushed, or whose token asked. A
-- poll, a schedule or a caught-up push knows only the author that the commit itself names, and
-- anybody can write that: they are refused where somebody owns the ref, unless `believe` has their
-- origin. A webhook that names no pusher is refused as well. Authors are compared without case: by
-- name, by address, or by both as git writes them.
local function rule_for(push)
  local names = { push.branch or push.tag or "", push.ref or "" }
  local best
  for pattern in pairs(settings.owners) do
    for place, name in ipairs(names) do
      -- A plain glob means branches; tags are written in full.
      local meant = place == 2 or push.branch
      if meant and name == pattern then return pattern end
      if meant and name ~= "" and glob(name, pattern) and (not best or #pattern > #best) then best = pattern end
    end
  end
  return best
end

-- A commit names its author as "Ann Smith <ann@example.com>", a forge as "ann".
local function names_of(author)
  local name, mail = author:match("^(.-)%s*<(.*)>$")
  return name and { author, name, mail } or { author }
end

local function objection(push)
  local rule = rule_for(push)
  if not rule then return end
  local owners = settings.owners[rule]
  if type(owners) == "string" then owners = { owners } end
  local what = push.branch and "branch " .. push.branch or push.tag and "git tag " .. push.tag or push.ref
  local list = table.concat(owners, ", ")
  local believed = false
  for _, origin in ipairs(settings.believe) do believed = believed or origin == push.origin end
  -- A forge that was asked to say who pushed, and did not.
  if (push.origin == "webhook" or push.origin == "retry") and not push.author_known then believed = false end
  if not believed then
    return ("%s belongs to %s, and nobody but the commit itself says who pushed it (origin: %s): "
      .. "add \"%s\" to `believe` to trust commits, or start the run by hand")
      :format(what, list, push.origin, push.origin)
  end
  for _, name in ipairs(names_of(push.author)) do
    for _, owner in ipairs(owners) do
      if glob(name:lower(), tostring(owner):lower()) then return end
    end
  end
  return ("%s belongs to %s, and %s pushed it: one of them may push or retry it, or `owners` names %s too")
    :format(what, list, push.author, push.author)
end

return {
  settings = {
    owners = { type = "map", required = true, about = "Lists of authors (globs) by glob of the branch, or of refs/tags/..." },
    stop = { type = "text", default = "build", choices = { "build", "publish" }, about = "What others' pushes do not get" },
    believe = { type = "list", default = { "webhook", "api", "retry" }, about = "Origins whose word on the author counts" },
  },

  on_push = function(push)
    local why = settings.stop == "build" and objection(push)
    if why then return skip(why) end
  end,

  on_staged = function(image)
    local why = settings.stop == "publish" and objection(image.push)
    if why then return deny(why) end
  end,
}
