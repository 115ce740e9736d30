local function on(...)
  local bases = {}
  for place, base in ipairs { ... } do bases[place] = type(base) == "table" and base or { image = base } end
  return image { bases = bases }
end

describe("gate-bases", function()
  it("lets bases pass that are allowed, however they are written", function()
    local gate = plugin("gate-bases", { allow = { "debian:12", "docker.io/library/golang", "registry.example/base/**" } })
    expect(gate.on_staged(image {})).to_equal {}
    expect(gate.on_staged(on("docker.io/library/debian:12", "golang", "golang:1.22@sha256:00", "registry.example/base/node:20"))).to_equal {}
  end)

  it("denies others, one reason for each, with the stage", function()
    local gate = plugin("gate-bases", { allow = { "debian:12" } })
    expect(gate.on_staged(on("debian:11", { image = "evil.example/debian:12", stage = "build" })).deny).to_equal {
      "base debian:11 is not allowed: build on one of debian:12",
      "base evil.example/debian:12 of stage build is not allowed: build on one of debian:12",
    }
  end)

  it("takes no name without a tag for another image", function()
    local gate = plugin("gate-bases", { allow = { "debian" } })
    expect(gate.on_staged(on("debian", "debian:12"))).to_equal {}
    expect(#gate.on_staged(on("debian-evil", "someone/debian", "localhost/debian", "localhost:5000/debian:12")).deny).to_be(4)
  end)

  it("reads a host with a port as no tag", function()
    local gate = plugin("gate-bases", { allow = { "localhost:5000/base" } })
    expect(gate.on_staged(on("localhost:5000/base", "localhost:5000/base:1"))).to_equal {}
  end)

  it("refuses what is denied even where it is allowed", function()
    local gate = plugin("gate-bases", { deny = { "*:latest" } })
    expect(gate.on_staged(on("debian:latest", "debian")).deny).to_equal {
      "base debian:latest is refused by `deny`: build on another one",
      "base debian is refused by `deny`: build on another one",
    }
    expect(gate.on_staged(on("debian:12"))).to_equal {}
  end)

  it("asks for a digest, and tells which", function()
    local gate = plugin("gate-bases", { pinned = true })
    expect(gate.on_staged(on { image = "debian:12", digest = "sha256:cc" }).deny[1])
      .to_be "base debian:12 is not pinned: write its digest behind it (debian:12@sha256:cc)"
    expect(gate.on_staged(on("debian:12@sha256:cc"))).to_equal {}
  end)

  it("asks for young bases", function()
    local gate = plugin("gate-bases", { max_age = "30d" }, { now = "2026-05-01T00:00:00Z" })
    expect(gate.on_staged(on({ image = "a", created = "2026-04-20T00:00:00Z" }, { image = "b", created = "2026-03-01T00:00:00Z" }, "c")).deny).to_equal {
      "base b is 61 days old, where 30 are allowed: take a newer one, or build without cache so that it is pulled anew",
      "base c is of unknown age, and max_age asks for that",
    }
  end)

  it("asks for a signature", function()
    local gate = plugin("gate-bases", { signed_by = { "bases", "vendor" } })
    local unknown = { image = "c", unknown = "its registry is away" }
    expect(gate.on_staged(on({ image = "a", signed_by = { "vendor" } }, { image = "b", signed_by = { "else" } }, unknown)).deny).to_equal {
      "base b is not signed by bases or vendor",
      "base c is not known to be signed by bases or vendor (its registry is away)",
    }
  end)

  it("has nothing against an image from scratch, and refuses to ask nothing", function()
    expect(plugin("gate-bases", { allow = { "debian:12" } }).on_staged(image { bases = {} })).to_equal {}
    expect(function() plugin("gate-bases").on_staged(image {}) end).to_fail_with "nothing is asked of bases"
  end)
end)
