describe("promote", function()
  local prod = "registry.example/production/shop"
  local promote_shop = plugin("promote", { to = prod })
  local function published(tag, to) return (to or promote_shop).on_published(image { push = { tag = tag } }) end

  it("asks a person to let a candidate become the release", function()
    expect(published "v2.0.0-rc.3").to_equal {
      actions = { { kind = "promote", body = { to = prod, tags = { "2.0.0" }, approve = true } } },
    }
  end)

  it("leaves branches, releases and other pre-releases alone", function()
    expect(promote_shop.on_published(image {})).to_equal {}
    expect(published "v2.0.0").to_equal {}
    expect(published "v2.0.0-beta.1").to_equal {}
    expect(published "nightly").to_equal {}
  end)

  it("promotes releases when there are no candidates", function()
    local releases = plugin("promote", {
      to = "production/{name}", candidates = "", approve = false, tags = { "{version}", "{major}" }, range = ">=1.4",
    })
    expect(published("v1.4.2", releases)).to_equal {
      actions = { { kind = "promote", body = { to = "production/web", tags = { "1.4.2", "1" }, approve = false } } },
    }
    expect(published("v1.3.9", releases)).to_equal {}
    expect(published("v1.5.0-rc.1", releases)).to_equal {}
  end)

  it("must be told where to", function()
    expect(function() plugin("promote") end).to_fail_with "to: must be set"
  end)
end)
