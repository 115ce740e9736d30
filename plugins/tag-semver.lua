-- tag-semver.lua: a version's git tag publishes the version and moves the shorter tags along.
--
-- v1.4.2 is published as 1.4.2, which stays, and as 1.4, 1 and latest, which move. Moving tags only
-- move forward: a late 1.3.9 is published as 1.3.9 and moves 1.3, while 1 and latest stay where 1.4.2
-- is. A pre-release (v2.0.0-rc.1) is published under its own name alone; `prerelease` names a channel
-- that it moves besides. A version below 1.0.0 has no tag "0": it would promise what 0.x does not
-- keep. Git tags that are not versions, and branches, are left to others. By default a push to the
-- default branch moves latest too: put tag-branch beside this plugin when only releases should. The
-- same holds behind a prefix (`strip`).
return {
  settings = {
    strip = {
      type = "text",
      default = "",
      about = 'What stands before the version in the git tag, such as "shop-" in shop-v1.4.2; other git tags are left alone',
    },
    prefix = { type = "text", default = "", about = 'Put before each version in an image tag, such as "v"' },
    suffix = { type = "text", default = "", about = 'Put behind each image tag, such as "-alpine"' },
    latest = { type = "boolean", default = true, about = "Releases move latest" },
    prerelease = { type = "text", default = "", about = 'A tag that pre-releases and releases move, such as "next"; empty: none' },
  },

  on_push = function(push)
    local name = push.tag
    if not name or name:sub(1, #settings.strip) ~= settings.strip then return end
    local version = semver.parse(name:sub(#settings.strip + 1))
    if not version then return end

    local tags = {}
    local function add(tag, moving)
      -- Behind a prefix, the daemon does not see the version that the tag moves by.
      local behind = moving and settings.strip ~= ""
      tags[#tags + 1] = { tag = tag .. settings.suffix, moving = moving, version = behind and version.text or nil }
    end
    add(settings.prefix .. version.text, false)
    if settings.prerelease ~= "" then add(settings.prerelease, true) end
    if version.prerelease then return { tags = tags } end

    add(settings.prefix .. version.major .. "." .. version.minor, true)
    if version.major > 0 then add(settings.prefix .. version.major, true) end
    if settings.latest then add("latest", true) end
    return { tags = tags }
  end,
}
