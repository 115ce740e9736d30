describe("replicate-releases", function()
  local far = "registry.far.example/acme"
  local carry = plugin("replicate-releases", { to = far })
  local function published(tag, tags, settings)
    local seat = settings and plugin("replicate-releases", settings) or carry
    return seat.on_published(image {
      push = { tag = tag },
      published = { { target = "registry.example/acme/shop", tags = tags, layers = { sent = 1, mounted = 0, present = 1 }, sent_bytes = 1 } },
    })
  end
  local release = {
    { tag = "1.4.2", fate = "created" }, { tag = "1.4", fate = "moved" }, { tag = "1", fate = "unchanged" },
  }

  it("carries a release with the tags it got", function()
    expect(published("v1.4.2", release)).to_equal {
      actions = { { kind = "replicate", body = { to = { far }, tags = { "1.4.2", "1.4", "1" }, only_signed = false } } },
    }
  end)

  it("leaves behind what was held back", function()
    expect(published("v1.3.9", { { tag = "1.3.9", fate = "created" }, { tag = "1", fate = "held_back", reason = "it holds 1.4.2" } })
      .actions[1].body.tags).to_equal { "1.3.9" }
    expect(published("v1.3.9", { { tag = "1", fate = "held back" } })).to_equal {}
  end)

  it("carries no branch, no pre-release and nothing out of range", function()
    expect(carry.on_published(image {})).to_equal {}
    expect(published("v2.0.0-rc.1", { { tag = "2.0.0-rc.1", fate = "created" } })).to_equal {}
    expect(published("v1.4.2", release, { to = far, range = "^2 || >=3 <4" })).to_equal {}
  end)

  it("carries pre-releases of the range when told so", function()
    local settings = { to = far, prereleases = true, range = "^2" }
    expect(#published("v2.1.0-rc.1", { { tag = "2.1.0-rc.1", fate = "created" } }, settings).actions).to_be(1)
    expect(published("v3.0.0-rc.1", { { tag = "3.0.0-rc.1", fate = "created" } }, settings)).to_equal {}
  end)

  it("chooses among tags, and names them once", function()
    local settings = { to = far, match = [[^\d+\.]], exclude = "-debug$", only_signed = true, rename = "mirror-{name}" }
    local tags = { { tag = "1.4.2", fate = "created" }, { tag = "1.4.2", fate = "created" }, { tag = "1", fate = "moved" }, { tag = "1.4.2-debug", fate = "created" } }
    expect(published("v1.4.2", tags, settings).actions[1].body).to_equal {
      to = { far }, tags = { "1.4.2" }, only_signed = true, rename = "mirror-{name}",
    }
  end)

  it("says which range it cannot read", function()
    expect(function() published("v1.4.2", release, { to = far, range = "newest" }) end).to_fail_with "not a range of versions"
  end)
end)
