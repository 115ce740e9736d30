-- tag-calver.lua: the default branch is published under a version made of its date.
--
-- `pattern` is written in the words of calver.org, YYYY YY 0Y MM 0M WW 0W DD 0D and MICRO (the run's
-- number): YYYY.0M.MICRO gives 2026.05.117. Or, where it has a %, in the letters of strftime with
-- {run}, {short} and {branch}: %Y.%m.%d-{short}. A pattern with a run or a commit in it gives a tag
-- that stays; any other moves, since two pushes of a day share it. The date is that of the run, or of
-- the commit with `date: commit`, in UTC.
local words = {
  YYYY = "%Y", MM = "%m", ["0M"] = "%m", DD = "%d", ["0D"] = "%d", ["0Y"] = "%y", YY = "%y",
  WW = "%V", ["0W"] = "%V",
}

local function from_words(pattern, push, when)
  return (pattern:gsub("0?%u+", function(word)
    if word == "MICRO" then return tostring(push.run) end
    if not words[word] then
      error("pattern: no word " .. word .. "; known: YYYY YY 0Y MM 0M WW 0W DD 0D MICRO", 0)
    end
    local text = time.format(words[word], when)
    -- Without the 0 in front a word means the bare number.
    return (word:sub(1, 1) == "0" or word == "YYYY") and text or tostring(math.tointeger(tonumber(text)))
  end))
end

local function from_letters(pattern, push, when)
  return template(time.format(pattern, when), { run = push.run, short = push.short, branch = slug(push.branch) })
end

return {
  settings = {
    pattern = { type = "text", default = "YYYY.0M.MICRO", about = "How the date becomes a tag" },
    branches = { type = "list", default = {}, about = "Globs of branches; none: the default branch" },
    date = { type = "text", default = "run", choices = { "run", "commit" }, about = "Whose date it is" },
    latest = { type = "boolean", default = false, about = "Move latest as well" },
  },

  on_push = function(push)
    if not push.branch then return end
    local wanted = #settings.branches > 0 and glob(push.branch, settings.branches)
      or #settings.branches == 0 and push.branch == push.default_branch
    if not wanted then return end

    local when = settings.date == "commit" and push.committed and time.parse(push.committed) or time.now()
    local pattern = settings.pattern
    local letters = pattern:find("%", 1, true) ~= nil
    local tag = (letters and from_letters or from_words)(pattern, push, when)
    local stays = letters and (pattern:find("{run}", 1, true) or pattern:find("{short}", 1, true))
      or not letters and pattern:find("MICRO", 1, true)
    local tags = { { tag = tag, moving = not stays } }
    if settings.latest then tags[2] = { tag = "latest", moving = true } end
    return { tags = tags }
  end,
}
