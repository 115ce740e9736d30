-- retain-latest.lua: of the tags in a repository the newest stay, the others may go.
--
-- After each publication the daemon is asked to keep the `keep` newest tags, by version or by time,
-- and whatever `protect` matches. `older_than` spares what is younger. What a protected or kept tag
-- needs, such as signatures and the images of an index, stays with it.
return {
  settings = {
    keep = { type = "number", default = 10, about = "How many tags stay" },
    by = { type = "text", default = "semver", choices = { "semver", "time" }, about = "What newest means" },
    protect = { type = "list", default = { "latest", "main", "master" }, about = "Globs of tags that always stay" },
    older_than = { type = "text", default = "", about = 'What is younger stays, such as "30d"; empty: age does not matter' },
    refs = { type = "list", default = { "**" }, about = "Globs of refs after whose publication it is asked" },
  },

  on_published = function(image)
    if not glob(image.push.ref or "", settings.refs) then return end
    if math.type(settings.keep) ~= "integer" or settings.keep < 1 then
      error(("keep: %s makes no sense, at least 1 tag must stay"):format(settings.keep), 0)
    end
    local older = settings.older_than ~= "" and settings.older_than or nil
    if older then time.seconds(older) end  -- refuses what is no length of time
    return retain { keep = settings.keep, by = settings.by, protect = settings.protect, older_than = older }
  end,
}
