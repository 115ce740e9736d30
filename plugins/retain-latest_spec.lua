describe("retain-latest", function()
  it("keeps ten, by version, and protects what people deploy", function()
    expect(plugin("retain-latest").on_published(image {})).to_equal {
      actions = { { kind = "retain", body = { keep = 10, by = "semver", protect = { "latest", "main", "master" } } } },
    }
  end)

  it("hands on what it is told", function()
    local month = plugin("retain-latest", { keep = 3, by = "time", protect = { "v*" }, older_than = "30d" })
    expect(month.on_published(image {}).actions[1].body).to_equal {
      keep = 3, by = "time", protect = { "v*" }, older_than = "30d",
    }
  end)

  it("refuses to keep nothing, and lengths of time that are none", function()
    for _, keep in ipairs { 0, -1, 2.5 } do
      expect(function() plugin("retain-latest", { keep = keep }).on_published(image {}) end).to_fail_with "at least 1 tag"
    end
    expect(function() plugin("retain-latest", { older_than = "a while" }).on_published(image {}) end).to_fail_with "a while"
  end)

  it("may ask after some publications only", function()
    local releases = plugin("retain-latest", { refs = { "refs/tags/**" } })
    expect(releases.on_published(image {})).to_equal {}
    expect(#releases.on_published(image { push = { tag = "v1.0.0" } }).actions).to_be(1)
  end)
end)
