-- gate-bases.lua: an image is published only when it is built on bases you allow.
--
-- Looks at the image of each FROM line that is not a stage. Globs are compared with the name as the
-- Dockerfile has it and in full: debian:12 is docker.io/library/debian:12. A glob without a tag stands
-- for all of them. `deny` goes before `allow`. `pinned` asks for a digest (debian:12@sha256:...).
-- `max_age` and `signed_by` need to know when a base was made and who signed it; where that is not
-- known, they refuse. Names of keys are those in `keys` and `bases.keys` of the configuration.
local day = 86400

-- The names an image goes by: as it is written, in full ("debian" is docker.io/library/debian:latest),
-- and short; each with its tag and without.
local function names_of(image)
  local bare = image:match("^([^@]*)")
  local repository, tag = bare:match("^(.*):([^/:]+)$")
  repository = repository or bare
  local host = repository:match("^([^/]+)/")
  if not host or not (host:find("[.:]") or host == "localhost") then
    repository = "docker.io/" .. (repository:find("/", 1, true) and "" or "library/") .. repository
  end
  local short = repository:gsub("^docker%.io/", ""):gsub("^library/", "")
  local names = { image }
  for _, name in ipairs { repository, short } do
    names[#names + 1] = name
    names[#names + 1] = name .. ":" .. (tag or "latest")
  end
  return names
end

local function among(image, globs)
  for _, name in ipairs(names_of(image)) do
    if glob(name, globs) then return true end
  end
  return false
end

local function signed(base)
  for _, key in ipairs(base.signed_by or {}) do
    for _, wanted in ipairs(settings.signed_by) do
      if key == wanted then return true end
    end
  end
  return false
end

local function objections(base)
  local found = {}
  local stage = base.stage and base.stage ~= "" and " of stage " .. base.stage or ""
  local because = base.unknown and " (" .. base.unknown .. ")" or ""
  local function object(why) found[#found + 1] = ("base %s%s %s"):format(base.image, stage, why) end

  if among(base.image, settings.deny) then
    object("is refused by `deny`: build on another one")
  elseif not among(base.image, settings.allow) then
    object("is not allowed: build on one of " .. table.concat(settings.allow, ", "))
  end
  if settings.pinned and not base.image:find("@sha256:", 1, true) then
    object("is not pinned: write its digest behind it (" .. base.image .. "@" .. (base.digest or "sha256:...") .. ")")
  end
  if settings.max_age > 0 then
    if not base.created then
      object("is of unknown age, and max_age asks for that" .. because)
    else
      local age = time.now() - time.parse(base.created)
      if age > settings.max_age then
        object(("is %d days old, where %d are allowed: take a newer one, or build without cache so that it is pulled anew")
          :format(age // day, settings.max_age // day))
      end
    end
  end
  if #settings.signed_by > 0 and not signed(base) then
    local wanted = table.concat(settings.signed_by, " or ")
    if base.signed_by then
      object("is not signed by " .. wanted)
    else
      object("is not known to be signed by " .. wanted .. because)
    end
  end
  return found
end

return {
  settings = {
    allow = { type = "list", default = { "**" }, about = "Globs of images that may be built on" },
    deny = { type = "list", default = {}, about = "Globs of images that may not, even where `allow` has them" },
    pinned = { type = "boolean", default = false, about = "Bases must be named with their digest" },
    max_age = { type = "duration", default = "0s", about = "How long ago a base may have been made; 0s: any time" },
    signed_by = { type = "list", default = {}, about = "Names of keys, one of which must have signed each base; none: not asked" },
  },

  on_staged = function(image)
    local any = #settings.allow == 1 and settings.allow[1] == "**"
    if any and #settings.deny == 0 and not settings.pinned and settings.max_age == 0 and #settings.signed_by == 0 then
      error("nothing is asked of bases: set `allow`, `deny`, `pinned`, `max_age` or `signed_by`", 0)
    end
    local reasons = {}
    for _, base in ipairs(image.bases) do
      for _, objection in ipairs(objections(base)) do reasons[#reasons + 1] = objection end
    end
    return { deny = reasons }
  end,
}
