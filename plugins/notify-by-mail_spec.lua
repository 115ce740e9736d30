local sendmail = { allow = { run = { "/usr/sbin/sendmail", "/usr/bin/msmtp" } } }
local function told(settings, run)
  settings.to = settings.to or "team@shop.example"
  settings.from = settings.from or "builds@shop.example"
  return plugin("notify-by-mail", settings, sendmail).on_finished(finished(run))
end

describe("notify-by-mail", function()
  it("hands a whole message to sendmail", function()
    expect(told({ to = { "team@shop.example", "boss@shop.example" } }, { status = "denied", reason = "web: too large" })).to_equal {
      actions = { {
        kind = "post",
        body = {
          run = "/usr/sbin/sendmail",
          args = { "-t", "-i" },
          about = "mail to team@shop.example, boss@shop.example: [shop] main: denied",
          input = table.concat({
            "From: builds@shop.example",
            "To: team@shop.example, boss@shop.example",
            "Subject: [shop] main: denied",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Transfer-Encoding: 8bit",
            "Auto-Submitted: auto-generated",
            "",
            "web: too large",
            "",
            "source:  shop",
            "ref:     refs/heads/main",
            "commit:  4f0c1a2b9d3e5f60718293a4b5c6d7e8f9012345",
            "         Let carts survive a restart (Ada Lovelace <ada@shop.example>)",
            "before:  succeeded",
            "image:   web, succeeded",
            "         main",
            "         main-4f0c1a2b9d3e",
            "run:     https://lighterman.example/runs/42",
            "",
          }, "\n"),
        },
      } },
    }
  end)

  it("lets no branch write headers", function()
    local input = told({}, { status = "failed", push = { branch = "x\nBcc: all@shop.example", title = "Grüße" } }).actions[1].body.input
    expect(input).to_match "\nSubject: \\[shop\\] x\\?Bcc: all@shop.example: failed\n"
    expect(input).to_contain "Grüße"
  end)

  it("uses another program with other arguments", function()
    local body = told({ program = "/usr/bin/msmtp", args = { "--read-recipients" } }, { status = "failed" }).actions[1].body
    expect(body.run).to_be "/usr/bin/msmtp"
    expect(body.args).to_equal { "--read-recipients" }
  end)

  it("writes when it was told to", function()
    expect(told({}, {})).to_equal {}
    expect(#told({ when = "always" }, {}).actions).to_be(1)
    expect(told({ when = "always" }, { status = "skipped" })).to_equal {}
    expect(told({ when = "change" }, { status = "failed", previous_status = "denied" })).to_equal {}
    expect(#told({ when = "change" }, { status = "succeeded", previous_status = "denied" }).actions).to_be(1)
  end)

  it("runs nothing that is not allowed, and must know to whom", function()
    expect(function() told({ program = "/bin/sh" }, { status = "failed" }) end).to_fail_with "/bin/sh.* is not allowed"
    expect(function() plugin("notify-by-mail", { from = "a@b.example" }) end).to_fail_with "to: must be set"
  end)
end)
