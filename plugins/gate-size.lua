-- gate-size.lua: an image that is too large, or grew too much, is not published.
--
-- Sizes are those that travel: all layers, compressed. `limit` is absolute; `growth` (bytes) and
-- `growth_percent` compare with the last published image of the branch or, for a version, with the
-- highest lower one, and need one to compare with. The reason names the largest layers and the lines
-- that made them. To accept a growth that is meant, raise the setting, publish, and set it back.
local function shown(bytes)
  if bytes >= 1e9 then return ("%.2f GB"):format(bytes / 1e9) end
  if bytes >= 1e6 then return ("%.1f MB"):format(bytes / 1e6) end
  return ("%.1f kB"):format(bytes / 1e3)
end

local function largest(layers)
  local by_size = {}
  for _, layer in ipairs(layers) do by_size[#by_size + 1] = layer end
  table.sort(by_size, function(a, b)
    if a.size ~= b.size then return a.size > b.size end
    return a.digest < b.digest
  end)
  local named = {}
  for place = 1, math.min(settings.name, #by_size) do
    local layer = by_size[place]
    local made = layer.instruction and layer.instruction ~= "" and layer.instruction or "a layer of unknown origin"
    if #made > 80 then made = made:sub(1, 77) .. "..." end
    local line = layer.line and (" (line %d)"):format(layer.line) or ""
    named[place] = ("%s by %s%s"):format(shown(layer.size), made, line)
  end
  return #named > 0 and "; largest: " .. table.concat(named, ", ") or ""
end

return {
  settings = {
    limit = { type = "size", about = "What an image may weigh" },
    growth = { type = "size", about = "What it may weigh more than the one before" },
    growth_percent = { type = "number", about = "The same in percent of the one before" },
    ignore_below = { type = "size", default = "1MB", about = "Growth by less is not looked at: percents of little are nothing" },
    name = { type = "number", default = 3, about = "How many layers the reason names" },
  },

  on_staged = function(image)
    if not (settings.limit or settings.growth or settings.growth_percent) then
      error("nothing is limited: set `limit`, `growth` or `growth_percent`", 0)
    end
    local reasons = {}
    if settings.limit and image.size > settings.limit then
      reasons[1] = ("the image weighs %s, where %s are allowed%s"):format(
        shown(image.size), shown(settings.limit), largest(image.layers))
    end
    local previous = image.previous
    local grown = previous and image.size - previous.size or 0
    if grown < settings.ignore_below or grown == 0 then return { deny = reasons } end
    local before = ("the image grew by %s (%s to %s) since %s"):format(
      shown(grown), shown(previous.size), shown(image.size),
      previous.version or ("commit " .. previous.commit:sub(1, 12)))
    local most = settings.growth
    if settings.growth_percent then
      local share = math.floor(previous.size * settings.growth_percent / 100)
      most = most and math.min(most, share) or share
    end
    if most and grown > most then
      reasons[#reasons + 1] = ("%s, where %s more are allowed%s"):format(
        before, shown(most), #reasons == 0 and largest(image.layers) or "")
    end
    return { deny = reasons }
  end,
}
