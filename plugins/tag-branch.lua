-- tag-branch.lua: a branch publishes a moving tag of its name, and one that stays.
--
-- main is published as main, which moves, and main-4f0c1a2b9d3e, which stays: deploy that one.
-- feature/Fancy Thing becomes feature-fancy-thing. `names` calls branches otherwise, by glob:
-- {main: edge, "release/*": "stable"}; an exact name goes before globs, a longer glob before a
-- shorter one. With this plugin no branch moves latest.
local longest_tag = 128

local function named(branch)
  if settings.names[branch] then return settings.names[branch] end
  local best
  for pattern in pairs(settings.names) do
    if glob(branch, pattern) and (not best or #pattern > #best) then best = pattern end
  end
  return best and settings.names[best] or slug(branch)
end

return {
  settings = {
    branches = { type = "list", default = { "**" }, about = "Globs of branches to tag; others are left alone" },
    names = { type = "map", default = {}, about = "What branches are called instead: tags by glob of the branch" },
    prefix = { type = "text", default = "", about = 'Put before each tag, such as "branch-"' },
    commit = { type = "boolean", default = true, about = "Also a tag that never moves: the tag, a dash, and the short commit" },
  },

  on_push = function(push)
    if not push.branch or not glob(push.branch, settings.branches) then return end
    local name = settings.prefix .. named(push.branch)
    if name == "" then
      error("branch \"" .. push.branch .. "\" has no letter that a tag may hold: give it a name in `names`", 0)
    end
    local tags = { { tag = name:sub(1, longest_tag), moving = true } }
    if settings.commit then
      local tail = "-" .. push.short
      tags[2] = { tag = name:sub(1, longest_tag - #tail) .. tail, moving = false }
    end
    return { tags = tags }
  end,
}
