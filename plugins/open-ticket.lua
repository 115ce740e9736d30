-- open-ticket.lua: a denied release, or what a new scan finds in a published image, becomes an issue.
--
-- `forge` is github, gitlab, gitea or forgejo, `project` is owner/name there. `token` names a secret
-- that holds what the forge wants to see in its header, in full: "Bearer ..." for github, "token ..."
-- for gitea and forgejo, the bare token for gitlab. `on` lists the ends of runs that open one; on a
-- branch only the first of a row does. `severities` are those of a scan that do. `title` and `body`
-- are templates of {source} {ref} {status} {reason} {short} {author} {url} {image} {list}; {list} has
-- a line for each finding or, where there are several, for each image.
local forges = {
  github = { api = "https://api.github.com", header = "Authorization" },
  gitlab = { api = "https://gitlab.com/api/v4", header = "PRIVATE-TOKEN" },
  gitea = { header = "Authorization" },
  forgejo = { header = "Authorization" },
}

local function encoded(text)
  return (text:gsub("[^%w%-_.~]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

local function cut(text, most) return #text <= most and text or text:sub(1, utf8.offset(text, 0, most + 1) - 1) end

local function labels_of(forge)
  if #settings.labels == 0 then return nil end
  if forge == "gitlab" then return table.concat(settings.labels, ",") end
  local list = {}
  for place, label in ipairs(settings.labels) do
    list[place] = label
    if forge ~= "github" then
      list[place] = math.tointeger(tonumber(label))
        or error(('labels: %s wants the number of a label, not "%s"'):format(forge, label), 0)
    end
  end
  return list
end

local function ticket(title, body)
  local forge = forges[settings.forge]
  local api = settings.api ~= "" and settings.api:gsub("/+$", "") or forge.api
  if not api then
    error(("api: %s has no address of its own: set `api`, such as https://git.example.com/api/v1"):format(settings.forge), 0)
  end
  if not settings.project:match("^[^/]+/.+$") then
    error(('project: "%s" is not of the form owner/name'):format(settings.project), 0)
  end
  local gitlab = settings.forge == "gitlab"
  title = cut(title, 250)
  body = body:gsub("\n\n\n+", "\n\n")
  return post {
    url = gitlab and ("%s/projects/%s/issues"):format(api, encoded(settings.project))
      or ("%s/repos/%s/issues"):format(api, settings.project),
    headers = {
      [forge.header] = secret(settings.token),
      Accept = settings.forge == "github" and "application/vnd.github+json" or "application/json",
    },
    json = {
      title = title,
      [gitlab and "description" or "body"] = body,
      labels = labels_of(settings.forge),
    },
    ok = { 201 },
    about = "issue: " .. title,
  }
end

-- What is not known is an empty text: a template must not fail for it.
local function values_of(push, more)
  local values = {
    source = push.source, ref = push.branch or push.tag or push.ref or "", short = push.short or "",
    author = push.author or "", status = "", reason = "", url = "", image = "", list = "",
  }
  for name, value in pairs(more) do values[name] = value end
  return values
end

local function listed(findings)
  local lines = {}
  for _, finding in ipairs(findings) do
    lines[#lines + 1] = ("- %s (%s): %s %s%s"):format(finding.id, finding.severity, finding.package,
      finding.installed or "", finding.fixed and ", fixed in " .. finding.fixed or "")
  end
  return table.concat(lines, "\n")
end

local function among(text, list)
  for _, each in ipairs(list) do
    if text:lower() == tostring(each):lower() then return true end
  end
  return false
end

return {
  needs = { http = "*", secret = "*" },
  settings = {
    forge = {
      type = "text",
      required = true,
      choices = { "github", "gitlab", "gitea", "forgejo" },
      about = "Where the issue is opened",
    },
    api = { type = "text", default = "", about = "The API's address; empty: that of github.com or gitlab.com" },
    project = { type = "text", required = true, about = "owner/name" },
    token = { type = "text", required = true, about = "The secret that holds the header's value, by name" },
    on = { type = "list", default = { "denied" }, about = "Ends of runs that open an issue: denied, failed" },
    severities = { type = "list", default = { "CRITICAL", "HIGH" }, about = "Severities of new findings that open one" },
    labels = { type = "list", default = {}, about = "Labels of the issue; their numbers for gitea and forgejo" },
    title = { type = "text", default = "{source} {ref}: {status}", about = "Template of the title" },
    body = { type = "text", default = "{reason}\n\n{list}\n\nCommit {short} by {author}. {url}", about = "Template of the text" },
  },

  on_finished = function(run)
    if not among(run.status, settings.on) then return end
    if run.push.branch and run.previous_status == run.status then return end
    local lines = {}
    for _, image in ipairs(run.images) do
      if image.reason and image.reason ~= "" then lines[#lines + 1] = ("- %s: %s"):format(image.name, image.reason) end
    end
    local values = values_of(run.push, {
      status = run.status, reason = run.reason or "", url = run.url,
      list = #lines > 1 and table.concat(lines, "\n") or "",
    })
    return ticket(template(settings.title, values), template(settings.body, values))
  end,

  on_rescan = function(image)
    local found = {}
    for _, finding in ipairs(image.new_findings) do
      if not finding.waived and among(finding.severity, settings.severities) then found[#found + 1] = finding end
    end
    if #found == 0 then return end
    local status = ("%d new %s"):format(#found, #found == 1 and "vulnerability" or "vulnerabilities")
    local values = values_of(image.push, {
      status = status, image = image.name, list = listed(found),
      reason = ("a new scan of %s (%s) found %s"):format(image.name, table.concat(image.tags, ", "), status),
    })
    return ticket(template(settings.title, values), template(settings.body, values))
  end,
}
