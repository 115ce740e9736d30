describe("sign-releases", function()
  local sign_releases = plugin("sign-releases")

  it("signs what a release's tag built, and says where it comes from", function()
    expect(sign_releases.on_staged(image { push = { tag = "v1.4.2", commit = "4f0c1a2b9d3e5f60718293a4b5c6d7e8f9012345" } })).to_equal {
      actions = { {
        kind = "sign",
        body = {
          key = "release",
          claims = { commit = "4f0c1a2b9d3e5f60718293a4b5c6d7e8f9012345", source = "shop", tag = "v1.4.2" },
        },
      } },
    }
  end)

  it("leaves branches and other tags alone", function()
    expect(sign_releases.on_staged(image {})).to_equal {}
    expect(sign_releases.on_staged(image { push = { tag = "nightly" } })).to_equal {}
  end)

  it("takes another key, other tags and other claims", function()
    local other = plugin("sign-releases", { key = "ops", tags = { "release-*" }, claims = { version = "{version}", run = "{run}" } })
    expect(other.on_staged(image { push = { tag = "release-7" } }).actions[1].body).to_equal {
      key = "ops", claims = { version = "release-7", run = "42" },
    }
  end)

  it("signs without claims when none are wanted", function()
    local bare = plugin("sign-releases", { claims = {} })
    expect(bare.on_staged(image { push = { tag = "v1.4.2" } }).actions[1].body.key).to_be "release"
  end)

  it("denies rather than sign what it was told wrongly", function()
    local wrong = plugin("sign-releases", { claims = { commit = "{sha}" } })
    expect(function() wrong.on_staged(image { push = { tag = "v1.4.2" } }) end).to_fail_with "{sha} has no value"
  end)
end)
