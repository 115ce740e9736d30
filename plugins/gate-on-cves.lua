-- gate-on-cves.lua: an image with vulnerabilities of a severity that matters is not published.
--
-- `allow` lets single ones pass until a day, that day included: {CVE-2024-1234: 2026-09-30}, or
-- `always`. An exception that ended blocks again and says so. What the scan's own exceptions have
-- waived does not count. An image that nobody scanned is refused, unless `unscanned: allow`; so is
-- one whose scanner used a database older than `max_age`. Of an image that is published already and
-- scanned again, new findings mark it as denied; it stays where it is.
local known = { CRITICAL = true, HIGH = true, MEDIUM = true, LOW = true, NEGLIGIBLE = true, UNKNOWN = true }
local day = 86400

local function wanted()
  local block = {}
  for _, severity in ipairs(settings.block) do
    local name = tostring(severity):upper()
    if not known[name] then
      error(('block: there is no severity "%s"; there are CRITICAL, HIGH, MEDIUM, LOW, NEGLIGIBLE, UNKNOWN'):format(severity), 0)
    end
    block[name] = true
  end
  return block
end

-- Whether the finding may pass, and else, where an exception ended, when.
local function excepted(id)
  local given = settings.allow[id]
  if not given then return false end
  if given == "always" then return true end
  local form = tostring(given)
  if not regex.matches(form, "^\\d{4}-\\d\\d-\\d\\d$") then
    error(('allow.%s: "%s" is neither a day such as 2026-09-30 nor "always"'):format(id, form), 0)
  end
  if time.now() < time.parse(form .. "T00:00:00Z") + day then return true end
  return false, form
end

local function described(finding, ended)
  local text = ("%s (%s) in %s %s"):format(finding.id, finding.severity, finding.package, finding.installed or "")
  text = text:gsub("%s+$", "")
  if finding.fixed then text = text .. ", fixed in " .. finding.fixed end
  if finding.base then
    text = text .. ", from the base " .. finding.base
  elseif finding.instruction then
    text = text .. ", brought by: " .. finding.instruction
  end
  if ended then text = text .. "; its exception ended on " .. ended end
  return text
end

-- The findings that block, described, worst first as the scanner lists them.
local function blocking(list)
  local block, found = wanted(), {}
  for _, finding in ipairs(list) do
    if block[finding.severity:upper()] and not finding.waived and (finding.fixed or not settings.ignore_unfixed) then
      local pass, ended = excepted(finding.id)
      if not pass then found[#found + 1] = described(finding, ended) end
    end
  end
  return found
end

local function reason_of(found)
  local named = table.concat(found, "; ", 1, math.min(#found, settings.name))
  local more = #found > settings.name and ("; and %d more"):format(#found - settings.name) or ""
  return ("%d %s: %s%s. Update what brings %s, or except an id until a day with `allow`"):format(
    #found, #found == 1 and "vulnerability" or "vulnerabilities", named, more, #found == 1 and "it" or "them")
end

local function too_old(findings)
  if settings.max_age == 0 then return end
  if not findings.database_updated then
    return "the scanner does not say how old its database is, and max_age asks for that"
  end
  local age = time.now() - time.parse(findings.database_updated)
  if age <= settings.max_age then return end
  return ("the scanner's database is from %s, %.1f days old where %.1f are allowed: let the scanner update it")
    :format(findings.database_updated:sub(1, 10), age / day, settings.max_age / day)
end

return {
  settings = {
    block = { type = "list", default = { "CRITICAL" }, about = "Severities that are not published" },
    ignore_unfixed = { type = "boolean", default = false, about = "Let pass what nobody has fixed yet" },
    allow = { type = "map", default = {}, about = 'Ids that may pass, and until which day (2026-09-30, or "always")' },
    max_age = {
      type = "duration",
      default = "0s",
      about = "Age of the scanner's database beyond which its word does not count; 0s: any",
    },
    unscanned = {
      type = "text",
      default = "deny",
      choices = { "deny", "allow" },
      about = "What becomes of an image without findings of a scanner",
    },
    name = { type = "number", default = 5, about = "How many vulnerabilities the reason names" },
  },

  on_staged = function(image)
    local findings = image.findings
    if not findings then
      wanted()  -- a wrong setting is told even while nothing is scanned
      if settings.unscanned == "allow" then return end
      return deny "the image was not scanned: give its source a scanner, or set `unscanned: allow`"
    end
    local reasons = {}
    local found = blocking(findings.list)
    if #found > 0 then reasons[1] = reason_of(found) end
    reasons[#reasons + 1] = too_old(findings)
    return { deny = reasons }
  end,

  on_rescan = function(image)
    local found = blocking(image.new_findings)
    if #found > 0 then return deny("since it was published: " .. reason_of(found)) end
  end,
}
