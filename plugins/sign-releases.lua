-- sign-releases.lua: an image built from a release's git tag is signed before anyone can pull it.
--
-- `tags` says which git tags are releases. The claims say in the signature where the image comes
-- from; they are templates of {source} {commit} {tag} {version} {author} {run} {image}.
return {
  settings = {
    key = { type = "text", default = "release", about = "The key's name in the configuration" },
    tags = { type = "list", default = { "v*" }, about = "Globs of git tags that are releases" },
    claims = {
      type = "map",
      default = { commit = "{commit}", source = "{source}", tag = "{tag}" },
      about = "What the signature says besides",
    },
  },

  on_staged = function(image)
    local push = image.push
    if not push.tag or not glob(push.tag, settings.tags) then return end
    local version = semver.parse(push.tag)
    local values = {
      source = push.source, commit = push.commit, tag = push.tag, author = push.author, run = push.run,
      image = image.name, version = version and version.text or push.tag,
    }
    local claims = {}
    for name, text in pairs(settings.claims) do claims[name] = template(tostring(text), values) end
    return sign { key = settings.key, claims = claims }
  end,
}
