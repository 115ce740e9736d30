-- require-labels.lua: an image without the labels your company asks for is not published.
--
-- `labels` must be there and not be empty. `patterns` asks for more, as regular expressions (RE2) that
-- the whole value must match: {com.example.cost-center: "[0-9]{4}"}. Labels come from LABEL in the
-- Dockerfile, from `labels:` of the image in the configuration, and from plugins; those of a base
-- image count as well.
return {
  settings = {
    labels = { type = "list", default = {}, about = "Labels that must be there" },
    patterns = { type = "map", default = {}, about = "Regular expressions by label; these labels must be there too" },
  },

  on_staged = function(image)
    if #settings.labels == 0 and next(settings.patterns) == nil then
      error("nothing is required: set `labels` or `patterns`", 0)
    end
    local reasons = {}
    local function ask(label, pattern)
      local value = image.labels[label]
      if not value or value == "" then
        reasons[#reasons + 1] = ('label "%s" is missing: add `LABEL %s=...` to the Dockerfile, '
          .. 'or to `labels:` of image "%s" in the configuration'):format(label, label, image.name)
      elseif pattern and not regex.matches(value, "^(?:" .. pattern .. ")$") then
        reasons[#reasons + 1] = ('label "%s" is "%s", which is not of the form %s'):format(label, value, pattern)
      end
    end
    for _, label in ipairs(settings.labels) do
      if not settings.patterns[label] then ask(label) end
    end
    for label, pattern in pairs(settings.patterns) do ask(label, pattern) end
    return { deny = reasons }
  end,
}
