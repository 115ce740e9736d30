-- skip-docs.lua: a push that only changes documentation builds nothing.
--
-- Skips only when every changed path matches `paths` and none matches `keep`. When the paths are not
-- known (a first push, a force-push, a git tag) it never skips, nor when somebody or a schedule asked
-- for the run.
local pushes = { webhook = true, poll = true, catch_up = true }
local named_in_reason = 3

return {
  settings = {
    paths = {
      type = "list",
      default = { "docs/**", "**/*.md", "**/*.rst", "**/*.adoc", "LICENSE*", "CODEOWNERS", ".github/ISSUE_TEMPLATE/**" },
      about = "Globs of paths that are documentation",
    },
    keep = { type = "list", default = {}, about = "Globs of paths that are built all the same, such as docs/embedded/**" },
  },

  on_push = function(push)
    local changed = push.changed_paths
    if push.tag or not pushes[push.origin] or not changed or #changed == 0 then return end
    for _, path in ipairs(changed) do
      if not glob(path, settings.paths) or glob(path, settings.keep) then return end
    end
    local named = table.concat(changed, ", ", 1, math.min(#changed, named_in_reason))
    local more = #changed > named_in_reason and (" and %d more"):format(#changed - named_in_reason) or ""
    return skip("only documentation changed: " .. named .. more)
  end,
}
