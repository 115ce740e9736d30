-- promote.lua: a release candidate goes to the production repository, the same bytes, once approved.
--
-- v2.0.0-rc.3 is published as a candidate; `to` gets that very image as 2.0.0, by digest and without
-- another build, after a person approved it (`approve: false` does not wait). `candidates` is how a
-- pre-release begins that is one; empty: releases themselves are promoted. `tags` are templates of
-- {version} (2.0.0-rc.3) {release} (2.0.0) {major} {minor} {name}, and `to` may have {name}.
return {
  settings = {
    to = { type = "text", required = true, about = "The production repository, host/name or name" },
    candidates = {
      type = "text",
      default = "rc",
      about = "How the pre-release of a candidate begins; empty: releases are promoted",
    },
    range = { type = "text", default = "*", about = "Versions that are promoted" },
    tags = { type = "list", default = { "{release}" }, about = "Tags in the production repository" },
    approve = { type = "boolean", default = true, about = "Wait for a person's approval" },
  },

  on_published = function(image)
    local version = image.push.tag and semver.parse(image.push.tag)
    if not version then return end
    local early = version.prerelease
    local chosen = settings.candidates == "" and not early
      or settings.candidates ~= "" and early and early:sub(1, #settings.candidates) == settings.candidates
    local release = ("%d.%d.%d"):format(version.major, version.minor, version.patch)
    if not chosen or not semver.satisfies(release, settings.range) then return end

    local values = { version = version.text, release = release, major = version.major, minor = version.minor, name = image.name }
    local tags = {}
    for _, text in ipairs(settings.tags) do tags[#tags + 1] = template(text, values) end
    return promote { to = template(settings.to, values), tags = tags, approve = settings.approve }
  end,
}
