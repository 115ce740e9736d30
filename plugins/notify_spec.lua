local fakes = { secret = { chat = "https://hooks.chat.example/T0/B0/secret", key = "k" }, allow = { http = { "hooks.chat.example" } } }
local function with(settings)
  settings.url = settings.url or "chat"
  return plugin("notify", settings, fakes)
end
local function told(settings, run) return with(settings).on_finished(finished(run)) end
local failure = { status = "failed", previous_status = "succeeded", reason = "web: engine: step 3/7 RUN make: exit code 2" }
local function body(format, run, more)
  local settings = { format = format, when = "always" }
  for name, value in pairs(more or {}) do settings[name] = value end
  return told(settings, run or failure).actions[1].body
end

describe("notify: when", function()
  it("tells of failures and denials, unless told otherwise", function()
    expect(#told({}, failure).actions).to_be(1)
    expect(#told({}, { status = "denied" }).actions).to_be(1)
    for _, status in ipairs { "succeeded", "skipped", "cancelled" } do expect(told({}, { status = status })).to_equal {} end
  end)

  it("tells of a change for the worse and for the better, once", function()
    local function changed(status, previous) return told({ when = "change" }, { status = status, previous_status = previous }).actions ~= nil end
    expect(changed("failed", "succeeded")).to_be(true)
    expect(changed("failed", "failed")).to_be(false)
    expect(changed("denied", "failed")).to_be(false)
    expect(changed("succeeded", "failed")).to_be(true)
    expect(changed("succeeded", "succeeded")).to_be(false)
    expect(changed("cancelled", "failed")).to_be(false)
    expect(changed("succeeded", "skipped")).to_be(false)
    expect(changed("failed", none)).to_be(true)
    expect(changed("succeeded", none)).to_be(false)
  end)

  it("tells of every run that did something, with always", function()
    expect(#told({ when = "always" }, {}).actions).to_be(1)
    expect(told({ when = "always" }, { status = "skipped" })).to_equal {}
    expect(told({ when = "always" }, { status = "cancelled" })).to_equal {}
  end)
end)

describe("notify: what", function()
  it("says what failed, where and for how long", function()
    local sent = body "json"
    expect(sent.url).to_equal(secret "chat")
    expect(sent.about).to_be "json: shop main: failed"
    expect(sent.json.heading).to_be "shop main: failed"
    expect(sent.json.text).to_be(table.concat({
      "web: engine: step 3/7 RUN make: exit code 2",
      "4f0c1a2b9d3e Let carts survive a restart (Ada Lovelace <ada@shop.example>)",
      "main, main-4f0c1a2b9d3e",
      "run 42 took 45s",
    }, "\n"))
    expect(sent.json.run).to_be(42)
    expect(sent.json.commit).to_be "4f0c1a2b9d3e5f60718293a4b5c6d7e8f9012345"
    expect(sent.json.images[1].name).to_be "web"
  end)

  it("says that it is well again", function()
    expect(body("json", { status = "succeeded", previous_status = "denied" }).json.text).to_contain "it was denied before"
  end)

  it("bears a run that failed before anything was known of it", function()
    local early = { status = "failed", url = "", images = {}, push = { branch = none, ref = "refs/heads/main", short = none, title = none, author = none } }
    for _, format in ipairs { "json", "slack", "mattermost", "teams", "feishu", "dingtalk" } do
      expect(body(format, early).json).never.to_equal {}
    end
  end)

  it("cuts a long reason, between characters", function()
    local text = body("json", { status = "failed", reason = ("ü"):rep(1000) }).json.text
    expect(text).to_match "^ü{750}\\.\\.\\.\n"
  end)

  it("writes hours and minutes", function()
    expect(body("json", { status = "failed", duration = 3725.4 }).json.text).to_contain "took 1h02m"
    expect(body("json", { status = "failed", duration = 65 }).json.text).to_contain "took 1m05s"
  end)

  it("takes your own words", function()
    expect(body("json", failure, { message = "{source}/{ref} {status} ({previous}), run {run}: {url} {images}" }).json.text)
      .to_be "shop/main failed (succeeded), run 42: https://lighterman.example/runs/42 main, main-4f0c1a2b9d3e"
    expect(function() told({ message = "{branch}" }, failure) end).to_fail_with "{branch} has no value"
  end)

  it("adds the keyword that a robot asks for", function()
    expect(body("dingtalk", failure, { keyword = "build" }).json.markdown.text).to_match "build"
  end)
end)

describe("notify: formats", function()
  it("speaks Slack", function()
    expect(body("slack", { status = "failed", reason = "a < b & c" }).json).to_equal {
      text = "shop main: failed",
      attachments = { {
        color = "#d00000", fallback = "shop main: failed", title = "run 42", title_link = "https://lighterman.example/runs/42",
        text = "a &lt; b &amp; c\n4f0c1a2b9d3e Let carts survive a restart (Ada Lovelace &lt;ada@shop.example&gt;)\nmain, main-4f0c1a2b9d3e\nrun 42 took 45s",
      } },
    }
  end)

  it("speaks Mattermost", function()
    local sent = body("mattermost", { status = "succeeded" }).json
    expect(sent.username).to_be "lighterman"
    expect(sent.attachments[1].color).to_be "#2eb886"
    expect(sent.attachments[1].title_link).to_be "https://lighterman.example/runs/42"
  end)

  it("speaks Teams, which accepts with 202", function()
    local sent = body "teams"
    expect(sent.ok).to_equal { 200, 202 }
    expect(sent.json.type).to_be "message"
    local card = sent.json.attachments[1]
    expect(card.contentType).to_be "application/vnd.microsoft.card.adaptive"
    expect(card.content.type).to_be "AdaptiveCard"
    expect(card.content.body[1].color).to_be "Attention"
    expect(card.content.body[2].text).to_contain "\n\n4f0c1a2b9d3e"
    expect(card.content.actions[1]).to_equal { type = "Action.OpenUrl", title = "Open the run", url = "https://lighterman.example/runs/42" }
  end)

  it("speaks Feishu", function()
    local sent = body("feishu", { status = "denied", reason = "too large" }).json
    expect(sent.msg_type).to_be "interactive"
    expect(sent.card.header).to_equal { template = "orange", title = { tag = "plain_text", content = "shop main: denied" } }
    expect(sent.card.elements[1].tag).to_be "markdown"
    expect(sent.card.elements[2].actions[1].url).to_be "https://lighterman.example/runs/42"
  end)

  it("speaks DingTalk", function()
    local sent = body("dingtalk").json
    expect(sent.msgtype).to_be "markdown"
    expect(sent.markdown.title).to_be "shop main: failed"
    expect(sent.markdown.text).to_match "^#### shop main: failed\n\nweb: engine"
    expect(sent.markdown.text).to_match "\\[Open the run\\]\\(https://lighterman.example/runs/42\\)$"
  end)

  it("believes robots only when their answer says so, and others by the status", function()
    expect(body("feishu").expect).to_equal { code = 0 }
    expect(body("dingtalk").expect).to_equal { errcode = 0 }
    for _, format in ipairs { "json", "slack", "mattermost", "teams" } do expect(body(format).expect).to_be_nil() end
  end)

  it("signs for those who look at it, and refuses to sign for others", function()
    for format, style in pairs { json = "header", feishu = "feishu", dingtalk = "dingtalk" } do
      expect(body(format, failure, { sign = "key" }).hmac).to_equal { secret = secret "key", style = style }
      expect(body(format).hmac).to_be_nil()
    end
    expect(function() told({ format = "slack", sign = "key" }, failure) end).to_fail_with "slack does not look at it"
  end)

  it("does not reach for a secret that is not allowed", function()
    expect(function() told({ url = "other" }, failure) end).to_fail_with 'secret "other" is not allowed'
  end)
end)
