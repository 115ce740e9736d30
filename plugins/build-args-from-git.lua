-- build-args-from-git.lua: the build learns which commit, branch and version it is.
--
-- `args` says which build arguments there are and what is in them, as templates of {source} {image}
-- {commit} {short} {branch} {tag} {ref} {version} {author} {title} {time} {date} {run}. {version} is
-- that of a version tag (v1.4.2 gives 1.4.2), another git tag as it is, and on a branch its name and
-- the short commit (main-4f0c1a2b9d3e). {time} and {date} are the commit's. An argument that names
-- what the push does not have (a tag, on a branch) is left out. A Dockerfile sees an argument after
-- its ARG line; put those lines late, for each new commit builds what follows them again.
local function values_of(push)
  local tag = push.tag
  local ours = tag and tag:sub(1, #settings.strip) == settings.strip
  local version = ours and semver.parse(tag:sub(#settings.strip + 1))
  return {
    source = push.source,
    image = push.image.name,
    commit = push.commit,
    short = push.short,
    branch = push.branch,
    tag = tag,
    ref = push.ref,
    version = version and version.text or tag or push.branch and slug(push.branch) .. "-" .. push.short or push.short,
    author = push.author,
    title = push.title,
    time = push.committed,
    date = push.committed and push.committed:sub(1, 10),
    run = push.run,
  }
end

local known = {}
for word in ("source image commit short branch tag ref version author title time date run"):gmatch("%a+") do
  known[word] = true
end

return {
  settings = {
    args = {
      type = "map",
      default = { GIT_COMMIT = "{commit}", GIT_BRANCH = "{branch}", GIT_TAG = "{tag}", VERSION = "{version}" },
      about = "Build arguments by name, and the templates of their values",
    },
    strip = { type = "text", default = "", about = 'What stands before the version in git tags, such as "shop-" in shop-v1.4.2' },
  },

  on_push = function(push)
    local values, args = values_of(push), {}
    for name, text in pairs(settings.args) do
      local complete = true
      for word in tostring(text):gmatch("{([^}]*)}") do
        if not known[word] then
          error(("args.%s: there is no {%s}; `lighterman plugin show build-args-from-git` lists what there is")
            :format(name, word), 0)
        end
        if values[word] == nil then complete = false end
      end
      if complete then args[name] = template(tostring(text), values) end
    end
    return { args = args }
  end,
}
