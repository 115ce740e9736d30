local tag_semver = plugin("tag-semver")

local function fixed(tag) return { tag = tag, moving = false } end
local function moving(tag) return { tag = tag, moving = true } end
-- Behind a prefix, the daemon is told what the tag moves by.
local function versioned(tag) return { tag = tag, moving = true, version = "1.4.2" } end

describe("tag-semver", function()
  it("publishes 1.4.2 and moves 1.4, 1 and latest", function()
    expect(tag_semver.on_push(push { tag = "v1.4.2" })).to_equal {
      tags = { fixed "1.4.2", moving "1.4", moving "1", moving "latest" },
    }
  end)

  it("knows versions without the v", function()
    expect(tag_semver.on_push(push { tag = "1.4.2" }).tags).to_contain(fixed "1.4.2")
  end)

  it("marks latest as moving for an older patch too: the daemon holds it back", function()
    expect(tag_semver.on_push(push { tag = "v1.3.9" }).tags).to_contain(moving "latest")
  end)

  it("lets a pre-release move nothing", function()
    expect(tag_semver.on_push(push { tag = "v2.0.0-rc.1" })).to_equal {
      tags = { fixed "2.0.0-rc.1" },
    }
  end)

  it("promises no tag 0", function()
    expect(tag_semver.on_push(push { tag = "v0.7.1" })).to_equal {
      tags = { fixed "0.7.1", moving "0.7", moving "latest" },
    }
  end)

  it("leaves build metadata out, which no image tag can hold", function()
    expect(tag_semver.on_push(push { tag = "v1.4.2+linux.5" }).tags).to_contain(fixed "1.4.2")
  end)

  it("has no opinion about branches and other git tags", function()
    expect(tag_semver.on_push(push { branch = "main" })).to_equal {}
    expect(tag_semver.on_push(push { tag = "nightly" })).to_equal {}
    expect(tag_semver.on_push(push { tag = "v1.4" })).to_equal {}
    expect(tag_semver.on_push(push { tag = "v01.4.2" })).to_equal {}
  end)
end)

describe("tag-semver with settings", function()
  it("moves the channel of pre-releases, and never latest", function()
    local next = plugin("tag-semver", { prerelease = "next" })
    expect(next.on_push(push { tag = "v2.0.0-rc.1" })).to_equal {
      tags = { fixed "2.0.0-rc.1", moving "next" },
    }
    expect(next.on_push(push { tag = "v2.0.0" }).tags).to_contain(moving "next")
  end)

  it("leaves latest alone when told so", function()
    local quiet = plugin("tag-semver", { latest = false })
    expect(quiet.on_push(push { tag = "v1.4.2" }).tags).never.to_contain(moving "latest")
  end)

  it("takes one component's tags out of a repository of many", function()
    local shop = plugin("tag-semver", { strip = "shop-", prefix = "v", suffix = "-alpine" })
    expect(shop.on_push(push { tag = "shop-v1.4.2" })).to_equal {
      tags = { fixed "v1.4.2-alpine", versioned "v1.4-alpine", versioned "v1-alpine", versioned "latest-alpine" },
    }
    expect(shop.on_push(push { tag = "pay-v9.0.0" })).to_equal {}
    expect(shop.on_push(push { tag = "v9.0.0" })).to_equal {}
  end)

  it("refuses a setting that is not there", function()
    expect(function() plugin("tag-semver", { lates = true }) end).to_fail_with "latest"
  end)
end)
