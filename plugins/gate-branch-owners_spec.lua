local owners = {
  main = { "ann", "*@ops.example" },
  ["release/**"] = { "ben" },
  ["release/1.*"] = { "cleo" },
  ["refs/tags/v*"] = { "release-bot" },
}

describe("gate-branch-owners", function()
  local gate = plugin("gate-branch-owners", { owners = owners })
  local function by(author, facts)
    facts = facts or {}
    facts.author = author
    return gate.on_push(push(facts))
  end

  it("builds what an owner pushed, by name or by address", function()
    expect(by "ann").to_equal {}
    expect(by "Ann").to_equal {}
    expect(by "Olaf Ops <olaf@ops.example>").to_equal {}
  end)

  it("skips what somebody else pushed, and says who may", function()
    expect(by "mallory").to_equal {
      skip = { "branch main belongs to ann, *@ops.example, and mallory pushed it: one of them may push or retry it, or `owners` names mallory too" },
    }
    expect(#by("annabel").skip).to_be(1)
  end)

  it("lets everybody push what nobody owns", function()
    expect(by("mallory", { branch = "topic/main" })).to_equal {}
    expect(by("mallory", { tag = "nightly" })).to_equal {}
  end)

  it("asks the owners whose glob is the longest", function()
    expect(by("cleo", { branch = "release/1.9" })).to_equal {}
    expect(#by("ben", { branch = "release/1.9" }).skip).to_be(1)
    expect(by("ben", { branch = "release/2.0/fix" })).to_equal {}
  end)

  it("tells tags from branches of the same name", function()
    expect(by("release-bot", { tag = "v1.0.0" })).to_equal {}
    expect(by("ann", { tag = "v1.0.0" }).skip[1]).to_match "^git tag v1.0.0 belongs to release-bot, and ann"
    expect(by("mallory", { branch = "v1.0.0" })).to_equal {}
    expect(by("mallory", { tag = "main" })).to_equal {}
  end)

  it("does not believe what a commit says of its author", function()
    for _, origin in ipairs { "poll", "schedule", "catch_up" } do
      expect(by("ann", { origin = origin }).skip[1]).to_contain("nobody but the commit itself says who pushed it (origin: " .. origin .. ")")
    end
    expect(by("ann", { origin = "retry" })).to_equal {}
    local trusting = plugin("gate-branch-owners", { owners = owners, believe = { "poll" } })
    expect(trusting.on_push(push { author = "ann", origin = "poll" })).to_equal {}
  end)

  it("does not believe a webhook that does not say who pushed", function()
    expect(by("ann", { author_known = false }).skip[1]).to_contain "nobody but the commit itself says who pushed it"
    expect(by("ann", { author_known = false, origin = "api" })).to_equal {}
  end)

  it("lets others build and not publish, when told so", function()
    local publish = plugin("gate-branch-owners", { owners = owners, stop = "publish" })
    expect(publish.on_push(push { author = "mallory" })).to_equal {}
    expect(publish.on_staged(image { push = { author = "mallory" } }).deny[1]).to_match "^branch main belongs to"
    expect(publish.on_staged(image { push = { author = "ann" } })).to_equal {}
    expect(gate.on_staged(image { push = { author = "mallory" } })).to_equal {}
  end)

  it("takes one owner without a list, and must be told of owners", function()
    local one = plugin("gate-branch-owners", { owners = { main = "ann" } })
    expect(one.on_push(push { author = "ann" })).to_equal {}
    expect(#one.on_push(push { author = "ben" }).skip).to_be(1)
    expect(function() plugin("gate-branch-owners") end).to_fail_with "owners: must be set"
  end)
end)
