local commit = "4f0c1a2b9d3e5f60718293a4b5c6d7e8f9012345"
local function pushed(branch)
  return push { branch = branch, commit = commit }
end

describe("tag-branch", function()
  local tag_branch = plugin("tag-branch")

  it("publishes a tag that moves and one that stays", function()
    expect(tag_branch.on_push(pushed "main")).to_equal {
      tags = { { tag = "main", moving = true }, { tag = "main-4f0c1a2b9d3e", moving = false } },
    }
  end)

  it("makes a tag of what a branch may be called", function()
    expect(tag_branch.on_push(pushed "Feature/Fancy Thing").tags[1].tag).to_be "feature-fancy-thing"
    expect(tag_branch.on_push(pushed "fix_#42").tags[1].tag).to_be "fix_-42"
  end)

  it("keeps within what a tag may hold", function()
    local tags = tag_branch.on_push(pushed(("x"):rep(200))).tags
    expect(#tags[1].tag).to_be(128)
    expect(#tags[2].tag).to_be(128)
    expect(tags[2].tag).to_match "-4f0c1a2b9d3e$"
  end)

  it("has no opinion about git tags", function()
    expect(tag_branch.on_push(push { tag = "v1.0.0" })).to_equal {}
  end)

  it("says what to do about a name without a letter", function()
    expect(function() tag_branch.on_push(pushed "дом") end).to_fail_with "give it a name in `names`"
  end)
end)

describe("tag-branch with settings", function()
  it("calls branches as it is told, the nearest name first", function()
    local named = plugin("tag-branch", {
      names = { main = "edge", ["release/*"] = "stable", ["release/1.*"] = "old" },
      commit = false,
    })
    expect(named.on_push(pushed "main").tags).to_equal { { tag = "edge", moving = true } }
    expect(named.on_push(pushed "release/2.0").tags).to_equal { { tag = "stable", moving = true } }
    expect(named.on_push(pushed "release/1.9").tags).to_equal { { tag = "old", moving = true } }
    expect(named.on_push(pushed "topic").tags).to_equal { { tag = "topic", moving = true } }
  end)

  it("leaves other branches alone", function()
    local some = plugin("tag-branch", { branches = { "main", "release/*" }, prefix = "b-", commit = false })
    expect(some.on_push(pushed "main").tags).to_equal { { tag = "b-main", moving = true } }
    expect(some.on_push(pushed "topic")).to_equal {}
  end)
end)
