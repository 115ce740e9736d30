-- attach-sbom.lua: what is in an image, and how it was built, is published along with it.
--
-- `formats` of the bill of materials; `provenance` adds how it was built (SLSA). With `key` they are
-- signed. `refs` limits it to branches and tags, as globs of refs/heads/... and refs/tags/...
local known = { cyclonedx = true, spdx = true }

return {
  settings = {
    formats = { type = "list", default = { "cyclonedx" }, about = "cyclonedx, spdx, or both" },
    provenance = { type = "boolean", default = false, about = "Attach the build's provenance as well" },
    key = { type = "text", default = "", about = "Key to sign them with; empty: unsigned" },
    refs = { type = "list", default = { "**" }, about = "Globs of refs whose images get them" },
  },

  on_staged = function(image)
    if not glob(image.push.ref or "", settings.refs) then return end
    local key = settings.key ~= "" and settings.key or nil
    local wanted = {}
    for _, format in ipairs(settings.formats) do
      if not known[format] then
        error(('formats: there is no "%s"; there are cyclonedx and spdx'):format(tostring(format)), 0)
      end
      wanted[#wanted + 1] = { kind = "sbom", format = format, key = key }
    end
    if settings.provenance then wanted[#wanted + 1] = { kind = "provenance", key = key } end
    return { attach = wanted }
  end,
}
