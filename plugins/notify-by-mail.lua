-- notify-by-mail.lua: people are told by e-mail how a run ended, through a program of this machine.
--
-- `program` gets a whole message on its input, as sendmail -t -i wants it; msmtp does too. Allow it
-- with `allow: {run: [/usr/sbin/sendmail]}`. `when: failure` tells of runs that failed or were denied,
-- `change` when that begins or ends on a branch, `always` of every run, those apart that were skipped
-- or cancelled.
local bad = { failed = true, denied = true }
local quiet = { skipped = true, cancelled = true }

local function is_wanted(run)
  if settings.when == "always" then return not quiet[run.status] end
  if settings.when == "failure" then return bad[run.status] end
  if quiet[run.status] then return false end
  return (bad[run.status] or false) ~= (bad[run.previous_status] or false)
end

-- One line of plain ASCII: nobody's branch may begin a header of its own.
local function header(name, value) return name .. ": " .. value:gsub("[^\32-\126]", "?") end

local function body_of(run)
  local push, lines = run.push, {}
  local function add(...)
    lines[#lines + 1] = (...)
  end
  if run.reason and run.reason ~= "" then add(run.reason) add "" end
  add("source:  " .. push.source)
  add("ref:     " .. (push.ref or ""))
  if push.commit then add("commit:  " .. push.commit) end
  if push.title then add(("         %s (%s)"):format(push.title, push.author or "")) end
  if run.previous_status then add("before:  " .. run.previous_status) end
  for _, image in ipairs(run.images) do
    add(("image:   %s, %s%s"):format(image.name, image.status, image.reason and image.reason ~= "" and ": " .. image.reason or ""))
    for _, tag in ipairs(image.tags) do add("         " .. tag) end
  end
  if run.url ~= "" then add("run:     " .. run.url) end
  return table.concat(lines, "\n")
end

return {
  needs = { run = "*" },
  settings = {
    to = { type = "list", required = true, about = "Addresses it goes to" },
    from = { type = "text", required = true, about = "Address it comes from" },
    program = { type = "text", default = "/usr/sbin/sendmail", about = "What sends it, as it is allowed under `run`" },
    args = { type = "list", default = { "-t", "-i" }, about = "The program's arguments" },
    when = { type = "text", default = "failure", choices = { "always", "failure", "change" }, about = "Which runs are told of" },
  },

  on_finished = function(run)
    if not is_wanted(run) then return end
    local push = run.push
    local subject = ("[%s] %s: %s"):format(push.source, push.branch or push.tag or push.ref or "", run.status)
    local message = {
      header("From", settings.from),
      header("To", table.concat(settings.to, ", ")),
      header("Subject", subject),
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Transfer-Encoding: 8bit",
      "Auto-Submitted: auto-generated",
      "",
      body_of(run),
      "",
    }
    return post {
      run = settings.program,
      args = settings.args,
      input = table.concat(message, "\n"),
      about = "mail to " .. table.concat(settings.to, ", ") .. ": " .. subject,
    }
  end,
}
