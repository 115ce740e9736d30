-- notify.lua: people are told in their chat how a run ended.
--
-- `format` is json (yours to read), slack, mattermost, teams (a Workflows webhook), feishu or
-- dingtalk. The webhook's URL is a secret: `url` is its name under `secrets:` in the configuration,
-- allowed with `allow: {secret: [NAME], http: [HOST]}`. `when: failure` tells of runs that failed or
-- were denied, `change` when that begins or ends on a branch, `always` of every run, those apart that
-- were skipped or cancelled. `message` is a template of {source} {ref} {status} {previous} {reason}
-- {title} {author} {short} {run} {url} {duration} {images}; left empty, the plugin writes one. Robots
-- that want a keyword get it with `keyword`. With `sign`, the name of another secret, the request is
-- signed: for feishu and dingtalk as their robots ask for, json with X-Signature-256: sha256=HEX over
-- the body.
local bad = { failed = true, denied = true }
local quiet = { skipped = true, cancelled = true }
local colors = { succeeded = "#2eb886", failed = "#d00000", denied = "#daa038" }
local feishu_colors = { succeeded = "green", failed = "red", denied = "orange" }
local teams_colors = { succeeded = "Good", failed = "Attention", denied = "Warning" }

local function is_wanted(run)
  if settings.when == "always" then return not quiet[run.status] end
  if settings.when == "failure" then return bad[run.status] end
  if quiet[run.status] then return false end
  return (bad[run.status] or false) ~= (bad[run.previous_status] or false)
end

local function length(seconds)
  seconds = math.floor(seconds + 0.5)
  if seconds < 60 then return seconds .. "s" end
  if seconds < 3600 then return ("%dm%02ds"):format(seconds // 60, seconds % 60) end
  return ("%dh%02dm"):format(seconds // 3600, seconds % 3600 // 60)
end

local function cut(text, most)
  if #text <= most then return text end
  -- Not in the middle of a character.
  return text:sub(1, (utf8.offset(text, 0, most + 1) or most + 1) - 1) .. "..."
end

local function link_of(run) return run.url ~= "" and run.url or nil end

local function ref_of(push) return push.branch or push.tag or push.ref or "" end

local function images_of(run)
  local lines = {}
  for _, image in ipairs(run.images) do
    local tags = table.concat(image.tags, ", ")
    if tags ~= "" then lines[#lines + 1] = tags end
  end
  return table.concat(lines, ", ")
end

-- The heading, and what stands below it.
local function written(run)
  local push = run.push
  local heading = ("%s %s: %s"):format(push.source, ref_of(push), run.status)
  if settings.message ~= "" then
    return heading, template(settings.message, {
      source = push.source, ref = ref_of(push), status = run.status, previous = run.previous_status or "",
      reason = run.reason or "", title = push.title or "", author = push.author or "",
      short = push.short or "", run = run.id, url = run.url, duration = length(run.duration),
      images = images_of(run),
    })
  end
  local lines = {}
  local function add(text) if text and text ~= "" then lines[#lines + 1] = text end end
  if bad[run.status] then add(cut(run.reason or "", 1500)) end
  if bad[run.previous_status] and not bad[run.status] then add("it was " .. run.previous_status .. " before") end
  if push.short then add(("%s %s (%s)"):format(push.short, push.title or "", push.author or "")) end
  add(images_of(run))
  add(("run %d took %s"):format(run.id, length(run.duration)))
  return heading, table.concat(lines, "\n")
end

local writers = {
  json = function(run, heading, text)
    return {
      event = "run_finished", run = run.id, status = run.status, previous_status = run.previous_status,
      reason = run.reason, source = run.push.source, ref = run.push.ref, commit = run.push.commit,
      title = run.push.title, author = run.push.author, url = run.url, started = run.started,
      ended = run.ended, duration = run.duration, images = run.images, heading = heading, text = text,
    }
  end,

  slack = function(run, heading, text)
    local function escaped(given) return (given:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" })) end
    return {
      text = escaped(heading),
      attachments = { {
        color = colors[run.status], fallback = heading, title = "run " .. run.id, title_link = link_of(run),
        text = escaped(text),
      } },
    }
  end,

  mattermost = function(run, heading, text)
    return {
      username = "lighterman",
      attachments = { { color = colors[run.status], fallback = heading, title = heading, title_link = link_of(run), text = text } },
    }
  end,

  teams = function(run, heading, text)
    return {
      type = "message",
      attachments = { {
        contentType = "application/vnd.microsoft.card.adaptive",
        content = {
          ["$schema"] = "http://adaptivecards.io/schemas/adaptive-card.json",
          type = "AdaptiveCard",
          version = "1.4",
          body = {
            {
              type = "TextBlock", text = heading, weight = "Bolder", size = "Medium", wrap = true,
              color = teams_colors[run.status] or "Default",
            },
            -- One line break is none to Teams.
            { type = "TextBlock", text = (text:gsub("\n", "\n\n")), wrap = true },
          },
          actions = link_of(run) and { { type = "Action.OpenUrl", title = "Open the run", url = run.url } } or nil,
        },
      } },
    }
  end,

  feishu = function(run, heading, text)
    local elements = { { tag = "markdown", content = text } }
    if link_of(run) then
      local text_of_button = { tag = "plain_text", content = "Open the run" }
      elements[2] = {
        tag = "action",
        actions = { { tag = "button", type = "primary", url = run.url, text = text_of_button } },
      }
    end
    return {
      msg_type = "interactive",
      card = {
        config = { wide_screen_mode = true },
        header = { template = feishu_colors[run.status] or "grey", title = { tag = "plain_text", content = heading } },
        elements = elements,
      },
    }
  end,

  dingtalk = function(run, heading, text)
    local link = link_of(run) and ("\n\n[Open the run](%s)"):format(run.url) or ""
    return {
      msgtype = "markdown",
      markdown = { title = heading, text = ("#### %s\n\n%s%s"):format(heading, text:gsub("\n", "\n\n"), link) },
    }
  end,
}

-- Microsoft's workflows accept (202) what they will post.
local accepted = { teams = { 200, 202 } }
-- Robots answer 200 to what they refuse, too.
local expected = { feishu = { code = 0 }, dingtalk = { errcode = 0 } }
local styles = { json = "header", feishu = "feishu", dingtalk = "dingtalk" }

local function signature()
  if settings.sign == "" then return nil end
  local style = styles[settings.format]
  if not style then
    error(("sign: %s does not look at it; it is for json, feishu and dingtalk"):format(settings.format), 0)
  end
  return { secret = secret(settings.sign), style = style }
end

return {
  needs = { http = "*", secret = "*" },
  settings = {
    format = {
      type = "text",
      default = "json",
      choices = { "json", "slack", "mattermost", "teams", "feishu", "dingtalk" },
      about = "Who reads it",
    },
    url = { type = "text", required = true, about = "The secret that holds the webhook's URL, by name" },
    when = { type = "text", default = "failure", choices = { "always", "failure", "change" }, about = "Which runs are told of" },
    message = { type = "text", default = "", about = "Template of the text; empty: the plugin's own" },
    keyword = { type = "text", default = "", about = "What a Feishu or DingTalk robot asks to find in the text" },
    sign = { type = "text", default = "", about = "The secret to sign json, feishu or dingtalk with, by name; empty: unsigned" },
  },

  on_finished = function(run)
    if not is_wanted(run) then return end
    local heading, text = written(run)
    if settings.keyword ~= "" then text = text .. "\n" .. settings.keyword end
    return post {
      url = secret(settings.url),
      json = writers[settings.format](run, heading, text),
      hmac = signature(),
      ok = accepted[settings.format],
      expect = expected[settings.format],
      about = settings.format .. ": " .. heading,
    }
  end,
}
