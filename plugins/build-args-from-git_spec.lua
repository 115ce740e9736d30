describe("build-args-from-git", function()
  local args_of_git = plugin("build-args-from-git")

  it("tells a branch's build its commit, branch and version", function()
    expect(args_of_git.on_push(push {})).to_equal {
      args = {
        GIT_COMMIT = "4f0c1a2b9d3e5f60718293a4b5c6d7e8f9012345",
        GIT_BRANCH = "main",
        VERSION = "main-4f0c1a2b9d3e",
      },
    }
  end)

  it("tells a release's build its version", function()
    expect(args_of_git.on_push(push { tag = "v1.4.2" }).args).to_equal {
      GIT_COMMIT = "4f0c1a2b9d3e5f60718293a4b5c6d7e8f9012345", GIT_TAG = "v1.4.2", VERSION = "1.4.2",
    }
    expect(args_of_git.on_push(push { tag = "nightly" }).args.VERSION).to_be "nightly"
  end)

  it("finds the version behind a prefix", function()
    local shop = plugin("build-args-from-git", { strip = "shop-" })
    expect(shop.on_push(push { tag = "shop-v1.4.2" }).args.VERSION).to_be "1.4.2"
    expect(shop.on_push(push { tag = "pay-v1.4.2" }).args.VERSION).to_be "pay-v1.4.2"
  end)

  it("has the arguments that are asked for, and no others", function()
    local own = plugin("build-args-from-git", { args = { REVISION = "{source}@{short}", RUN = "{run}", IMAGE = "{image}", EDITION = "community" } })
    expect(own.on_push(push {}).args).to_equal {
      REVISION = "shop@4f0c1a2b9d3e", RUN = "42", IMAGE = "web", EDITION = "community",
    }
  end)

  it("leaves out what the push does not have", function()
    local dated = plugin("build-args-from-git", { args = { DATE = "{date}", TIME = "{time}" } })
    expect(dated.on_push(push { committed = "2026-03-14T15:00:00.000Z" }).args).to_equal {
      DATE = "2026-03-14", TIME = "2026-03-14T15:00:00.000Z",
    }
    expect(dated.on_push(push { committed = none })).to_equal {}
  end)

  it("takes text from a commit as it is", function()
    local titled = plugin("build-args-from-git", { args = { TITLE = "{title}" } })
    expect(titled.on_push(push { message = "Say {branch} && %d$(id)" }).args.TITLE).to_be "Say {branch} && %d$(id)"
  end)

  it("names the argument whose template is wrong", function()
    expect(function() plugin("build-args-from-git", { args = { REV = "{sha}" } }).on_push(push {}) end)
      .to_fail_with "args.REV: there is no {sha}"
  end)
end)
