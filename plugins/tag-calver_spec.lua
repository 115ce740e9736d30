describe("tag-calver", function()
  local function pushed(settings, facts) return plugin("tag-calver", settings, { now = "2026-05-04T23:59:00Z" }).on_push(push(facts or {})) end

  it("makes a version of the date and the run, which stays", function()
    expect(pushed({}, { run = 117 })).to_equal { tags = { { tag = "2026.05.117", moving = false } } }
  end)

  it("knows the words of calver.org, with and without zeros", function()
    expect(pushed({ pattern = "YY.MM.DD-0Y.0M.0D-MICRO" }).tags[1].tag).to_be "26.5.4-26.05.04-42"
    expect(pushed({ pattern = "YYYY-wWW" }).tags[1].tag).to_be "2026-w19"
  end)

  it("calls a tag moving that two pushes of a day share", function()
    expect(pushed({ pattern = "YYYY.0M.0D" }).tags).to_equal { { tag = "2026.05.04", moving = true } }
    expect(pushed({ pattern = "%Y.%m.%d" }).tags).to_equal { { tag = "2026.05.04", moving = true } }
    expect(pushed({ pattern = "nightly-%Y%m%d-{short}" }).tags).to_equal {
      { tag = "nightly-20260504-4f0c1a2b9d3e", moving = false },
    }
  end)

  it("takes the commit's date when told so", function()
    local facts = { committed = "2025-12-31T10:00:00Z" }
    expect(pushed({ pattern = "YYYY.0M.0D", date = "commit" }, facts).tags[1].tag).to_be "2025.12.31"
    expect(pushed({ pattern = "YYYY.0M.0D" }, facts).tags[1].tag).to_be "2026.05.04"
  end)

  it("is for the default branch, or for those that are named", function()
    expect(pushed({}, { branch = "topic" })).to_equal {}
    expect(pushed({}, { branch = "main", default_branch = none })).to_equal {}
    expect(pushed({}, { tag = "v1.0.0" })).to_equal {}
    expect(#pushed({ branches = { "release/*" } }, { branch = "release/7" }).tags).to_be(1)
    expect(pushed({ branches = { "release/*" } }, { branch = "main" })).to_equal {}
  end)

  it("moves latest along when told so", function()
    expect(pushed({ latest = true }).tags[2]).to_equal { tag = "latest", moving = true }
  end)

  it("refuses a word that it does not know", function()
    expect(function() pushed { pattern = "YYYY.MINOR" } end).to_fail_with "no word MINOR"
    expect(function() pushed { pattern = "%Y-{sha}" } end).to_fail_with "{sha} has no value"
  end)
end)
