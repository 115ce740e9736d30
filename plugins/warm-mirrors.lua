-- warm-mirrors.lua: what is new in an image is read once through mirrors and CDNs, so that they have it.
--
-- For each of `mirrors` the manifest and the new layers are asked for by digest. A mirror is a base
-- URL, https://mirror.example.com, to which /v2/... is added as registries serve it; or a template of
-- blobs with {repository} {digest} {hex} {two} (the first two digits of hex), such as
-- https://cdn.example.com/docker/registry/v2/blobs/sha256/{two}/{hex}/data. A range of the first bytes
-- is enough for most caches to fetch the whole; `read: head` asks for headers only. Each request is
-- tried three times, and at most 90 are made for an image. Failures are logged; with `strict` they are
-- a problem of the run, and the daemon asks again. Mirrors that want a password are not for this plugin. Allow each host under
-- `allow: {http: [...]}`; one in your own network as "private:mirror.lan".
local tries = 3
local requests_left = 90  -- a hook may make 100
local hints = { "x-cache", "cf-cache-status", "x-cache-status", "x-proxy-cache" }

local function is_hit(headers)
  for _, name in ipairs(hints) do
    local value = headers[name]
    if value then return value:lower():find("hit", 1, true) ~= nil end
  end
  return (tonumber(headers.age) or 0) > 0
end

-- What to ask a mirror for: {url, what}.
local function requests(mirror, image, layers)
  local repository = image.target:match("^[^/]+/(.+)$")
  local list = {}
  local function add(url, what) list[#list + 1] = { url = url, what = what } end
  local plain = not mirror:find("{", 1, true)
  local base = mirror:gsub("/+$", "")
  if plain then add(("%s/v2/%s/manifests/%s"):format(base, repository, image.digest), "the manifest") end
  for _, layer in ipairs(layers) do
    local hex = layer.digest:match(":(.+)$")
    local url = plain and ("%s/v2/%s/blobs/%s"):format(base, repository, layer.digest)
      or template(mirror, { repository = repository, digest = layer.digest, hex = hex, two = hex:sub(1, 2) })
    add(url, "layer " .. layer.digest:sub(1, 19))
  end
  return list
end

-- Whether it was read, whether the mirror had it, and what went wrong.
local function read(request)
  local why
  for _ = 1, tries do
    if requests_left == 0 then return false, false, why or "not asked for: too many requests for one image" end
    requests_left = requests_left - 1
    local done, answer = pcall(http, {
      url = request.url,
      method = settings.read == "head" and "HEAD" or "GET",
      headers = {
        Range = settings.read == "range" and "bytes=0-1023" or nil,
        Accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, */*",
      },
      timeout = settings.timeout,
    })
    if done and answer.status < 300 then return true, is_hit(answer.headers) end
    why = done and "status " .. answer.status or tostring(answer)
    -- A mirror that knows no ranges sent more than a hook may read: it has the layer.
    if why:find("the answer is longer than", 1, true) then return true, false end
    -- The mirror will say the same again.
    if done and answer.status < 500 and answer.status ~= 429 then break end
  end
  return false, false, why
end

local function warm(mirror, image, layers)
  local total, hits, failures = 0, 0, {}
  for _, request in ipairs(requests(mirror, image, layers)) do
    local done, hit, why = read(request)
    total = total + 1
    if hit then hits = hits + 1 end
    if not done then failures[#failures + 1] = request.what .. ": " .. why end
  end
  log.info(("%s: %d of %d read, %d of them were there already"):format(mirror, total - #failures, total, hits))
  return failures
end

return {
  needs = { http = "*" },
  settings = {
    mirrors = { type = "list", required = true, about = "Base URLs of mirrors, or templates of blob URLs" },
    read = { type = "text", default = "range", choices = { "range", "head" }, about = "How blobs are asked for" },
    most = { type = "number", default = 20, about = "How many layers of an image; the largest go first" },
    timeout = { type = "duration", default = "10s", about = "Time for one request" },
    strict = { type = "boolean", default = false, about = "A mirror that fails is a problem of the run" },
  },

  on_published = function(image)
    local layers = {}
    for _, layer in ipairs(image.layers) do
      if layer.new then layers[#layers + 1] = layer end
    end
    table.sort(layers, function(a, b)
      if a.size ~= b.size then return a.size > b.size end
      return a.digest < b.digest
    end)
    for place = #layers, settings.most + 1, -1 do layers[place] = nil end

    local problems = {}
    for _, mirror in ipairs(settings.mirrors) do
      local failures = warm(mirror, image, layers)
      if #failures > 0 then
        problems[#problems + 1] = ("%s: %d failed, first %s"):format(mirror, #failures, failures[1])
        log.warn(problems[#problems])
      end
    end
    if settings.strict and #problems > 0 then error(table.concat(problems, "; "), 0) end
  end,
}
