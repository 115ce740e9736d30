describe("attach-sbom", function()
  it("attaches a bill of materials to every image", function()
    expect(plugin("attach-sbom").on_staged(image {})).to_equal {
      actions = { { kind = "attach", body = { kind = "sbom", format = "cyclonedx" } } },
    }
  end)

  it("attaches both formats and the provenance, signed", function()
    local all = plugin("attach-sbom", { formats = { "cyclonedx", "spdx" }, provenance = true, key = "release" })
    expect(all.on_staged(image {}).actions).to_equal {
      { kind = "attach", body = { kind = "sbom", format = "cyclonedx", key = "release" } },
      { kind = "attach", body = { kind = "sbom", format = "spdx", key = "release" } },
      { kind = "attach", body = { kind = "provenance", key = "release" } },
    }
  end)

  it("knows no other format", function()
    expect(function() plugin("attach-sbom", { formats = { "swid" } }).on_staged(image {}) end).to_fail_with 'there is no "swid"'
  end)

  it("may be meant for releases only", function()
    local releases = plugin("attach-sbom", { refs = { "refs/tags/v*" } })
    expect(releases.on_staged(image {})).to_equal {}
    expect(#releases.on_staged(image { push = { tag = "v1.0.0" } }).actions).to_be(1)
  end)
end)
