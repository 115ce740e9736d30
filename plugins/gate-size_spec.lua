describe("gate-size", function()
  it("denies what is over the limit and names the largest layers", function()
    local gate = plugin("gate-size", { limit = "30MB" })
    expect(gate.on_staged(image {})).to_equal {
      deny = { "the image weighs 36.5 MB, where 30.0 MB are allowed; largest: 29.1 MB by FROM debian:12 (line 8), 7.4 MB by COPY --from=build /shop /usr/local/bin/shop (line 10)" },
    }
  end)

  it("lets pass what is at the limit", function()
    expect(plugin("gate-size", { limit = 36500000 }).on_staged(image {})).to_equal {}
  end)

  it("judges growth in bytes and in percent, the tighter one", function()
    local grown = image { size = 50000000, previous = { size = 40000000 } }
    expect(plugin("gate-size", { growth = "20MB" }).on_staged(grown)).to_equal {}
    expect(plugin("gate-size", { growth = "5MB" }).on_staged(grown).deny[1])
      .to_match "^the image grew by 10.0 MB \\(40.0 MB to 50.0 MB\\) since commit 1b2c3d4e5f60, where 5.0 MB more are allowed; largest: "
    expect(plugin("gate-size", { growth_percent = 25 }).on_staged(grown)).to_equal {}
    expect(plugin("gate-size", { growth = "20MB", growth_percent = 10 }).on_staged(grown).deny[1])
      .to_contain "where 4.0 MB more are allowed"
  end)

  it("names the release it compares with", function()
    local gate = plugin("gate-size", { growth_percent = 0 })
    expect(gate.on_staged(image { size = 50000000, previous = { size = 40000000, version = "1.4.1" } }).deny[1])
      .to_contain "since 1.4.1"
  end)

  it("does not look at a little, at shrinking, or without a predecessor", function()
    local gate = plugin("gate-size", { growth_percent = 1 })
    expect(gate.on_staged(image { size = 36900000 })).to_equal {}
    expect(gate.on_staged(image { size = 1000 })).to_equal {}
    expect(gate.on_staged(image { size = 90000000, previous = none })).to_equal {}
  end)

  it("gives both reasons, the layers once", function()
    local gate = plugin("gate-size", { limit = "1MB", growth = "1kB", ignore_below = "0B", name = 1 })
    local deny = gate.on_staged(image {}).deny
    expect(#deny).to_be(2)
    expect(deny[1]).to_contain "largest"
    expect(deny[2]).never.to_contain "largest"
  end)

  it("bears layers of which it knows nothing", function()
    local gate = plugin("gate-size", { limit = "1kB" })
    local bare = image { size = 2500000000, layers = { { digest = "sha256:1", size = 2500000000, instruction = "", new = true } } }
    expect(gate.on_staged(bare).deny[1])
      .to_be "the image weighs 2.50 GB, where 1.0 kB are allowed; largest: 2.50 GB by a layer of unknown origin"
    expect(gate.on_staged(image { size = 5000, layers = {} }).deny[1]).never.to_contain "largest"
  end)

  it("refuses to limit nothing", function()
    expect(function() plugin("gate-size").on_staged(image {}) end).to_fail_with "set `limit`, `growth` or `growth_percent`"
    expect(function() plugin("gate-size", { limit = "huge" }) end).to_fail_with "limit"
  end)
end)
