-- replicate-releases.lua: releases are carried to other registries, pre-releases are not.
--
-- A release is a version tag in `range` (as npm writes them: ">=1.4 <3", "^2", "1.x || 3.x").
-- `match` and `exclude` are regular expressions (RE2) for the image tags that travel; the default is
-- all that this run set. A tag that was held back does not travel: the other registry has a newer one
-- too. Signatures and what else is attached go along; `only_signed` refuses to carry an image without.
local function is_meant(tag)
  if not regex.matches(tag, settings.match) then return false end
  return settings.exclude == "" or not regex.matches(tag, settings.exclude)
end

local function traveling(image)
  local tags, seen = {}, {}
  for _, place in ipairs(image.published) do
    for _, outcome in ipairs(place.tags) do
      local tag = outcome.tag
      local set = outcome.fate == "created" or outcome.fate == "moved" or outcome.fate == "unchanged"
      if set and not seen[tag] and is_meant(tag) then
        seen[tag] = true
        tags[#tags + 1] = tag
      end
    end
  end
  return tags
end

return {
  settings = {
    to = { type = "list", required = true, about = "Where to: registry.example.com/namespace" },
    range = { type = "text", default = "*", about = "Versions that travel" },
    prereleases = { type = "boolean", default = false, about = "Carry pre-releases of these versions too" },
    match = { type = "text", default = ".", about = "Regular expression of image tags that travel" },
    exclude = { type = "text", default = "", about = "Regular expression of image tags that do not; empty: none" },
    rename = { type = "text", default = "", about = "Template of the name there; empty: the same name" },
    only_signed = { type = "boolean", default = false, about = "Refuse to carry what is not signed" },
  },

  on_published = function(image)
    local version = image.push.tag and semver.parse(image.push.tag)
    if not version or version.prerelease and not settings.prereleases then return end
    -- A pre-release counts as the version it leads to: npm's ranges would leave it out.
    local plain = ("%d.%d.%d"):format(version.major, version.minor, version.patch)
    if not semver.satisfies(plain, settings.range) then return end
    local tags = traveling(image)
    if #tags == 0 then return end
    return replicate {
      to = settings.to,
      tags = tags,
      rename = settings.rename ~= "" and settings.rename or nil,
      only_signed = settings.only_signed,
    }
  end,
}
