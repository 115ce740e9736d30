describe("require-labels", function()
  it("lets an image pass that has what is asked for", function()
    local labels = plugin("require-labels", { labels = "org.opencontainers.image.licenses" })
    expect(labels.on_staged(image {})).to_equal {}
  end)

  it("says which label is missing and where it belongs", function()
    local labels = plugin("require-labels", { labels = { "com.example.team", "org.opencontainers.image.title" } })
    expect(labels.on_staged(image {})).to_equal {
      deny = { 'label "com.example.team" is missing: add `LABEL com.example.team=...` to the Dockerfile, or to `labels:` of image "web" in the configuration' },
    }
  end)

  it("counts an empty label as missing", function()
    local labels = plugin("require-labels", { labels = { "com.example.team" } })
    expect(#labels.on_staged(image { labels = { ["com.example.team"] = "" } }).deny).to_be(1)
  end)

  it("asks for the whole value to be of a form, and for each label once", function()
    local center = plugin("require-labels", { labels = { "cost" }, patterns = { cost = "[0-9]{4}" } })
    expect(center.on_staged(image { labels = { cost = "4711" } })).to_equal {}
    expect(center.on_staged(image { labels = { cost = "x4711" } }).deny).to_equal {
      'label "cost" is "x4711", which is not of the form [0-9]{4}',
    }
    expect(#center.on_staged(image {}).deny).to_be(1)
  end)

  it("treats alternatives as one form", function()
    local team = plugin("require-labels", { patterns = { team = "web|ops" } })
    expect(#team.on_staged(image { labels = { team = "webmasters" } }).deny).to_be(1)
    expect(team.on_staged(image { labels = { team = "ops" } })).to_equal {}
  end)

  it("refuses to require nothing, and a form that is none", function()
    expect(function() plugin("require-labels").on_staged(image {}) end).to_fail_with "nothing is required"
    expect(function()
      plugin("require-labels", { patterns = { cost = "[0-9" } }).on_staged(image { labels = { cost = "1" } })
    end).to_fail_with "missing ]"
  end)
end)
