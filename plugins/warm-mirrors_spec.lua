local old, new = "sha256:" .. ("1"):rep(64), "sha256:" .. ("2"):rep(64)
local manifest = "sha256:" .. ("a"):rep(64)
local allow = { http = { "mirror.example", "cdn.example" } }

describe("warm-mirrors", function()
  it("reads the manifest and what is new, and nothing else", function()
    local asked = {}
    local warm = plugin("warm-mirrors", { mirrors = { "https://mirror.example/" } }, {
      allow = allow,
      http = function(wish)
        asked[#asked + 1] = wish.method .. " " .. wish.url .. " " .. wish.headers.Range
        return { status = 206, headers = { ["x-cache"] = "MISS" } }
      end,
    })
    expect(warm.on_published(image {})).to_equal {}
    expect(asked).to_equal {
      "GET https://mirror.example/v2/acme/shop/manifests/" .. manifest .. " bytes=0-1023",
      "GET https://mirror.example/v2/acme/shop/blobs/" .. new .. " bytes=0-1023",
    }
  end)

  it("asks several mirrors, by templates too, for headers only when told so", function()
    local warm = plugin("warm-mirrors", {
      mirrors = { "https://mirror.example", "https://cdn.example/blobs/sha256/{two}/{hex}/data" }, read = "head",
    }, { allow = allow, http = { status = 200, headers = { age = "12" } } })
    warm.on_published(image {})
    expect(#warm.wishes).to_be(3)
    expect(warm.wishes[3].url).to_be("https://cdn.example/blobs/sha256/22/" .. ("2"):rep(64) .. "/data")
    expect(warm.wishes[3].method).to_be "HEAD"
    expect(warm.wishes[3].headers.Range).to_be_nil()
  end)

  it("tries three times what may be better the next time", function()
    local answers = { { status = 503, headers = {} }, "down", { status = 200, headers = {} } }
    local count = 0
    local warm = plugin("warm-mirrors", { mirrors = { "https://cdn.example/{hex}" }, strict = true }, {
      allow = allow,
      http = function()
        count = count + 1
        if answers[count] == "down" then error "cannot connect" end
        return answers[count]
      end,
    })
    expect(warm.on_published(image {})).to_equal {}
    expect(count).to_be(3)
  end)

  it("takes a mirror that sends the whole layer for warm", function()
    local warm = plugin("warm-mirrors", { mirrors = { "https://cdn.example/{hex}" }, strict = true }, {
      allow = allow, http = function() error "https://cdn.example: the answer is longer than 1.0 MB" end,
    })
    expect(warm.on_published(image {})).to_equal {}
    expect(#warm.wishes).to_be(1)
  end)

  it("stays within what a hook may ask", function()
    local layers = {}
    for n = 1, 40 do layers[n] = { digest = ("sha256:%064d"):format(n), size = n, new = true } end
    local warm = plugin("warm-mirrors", { mirrors = { "https://cdn.example/{hex}" }, most = 40, strict = true }, {
      allow = allow, http = { status = 503, headers = {} },
    })
    expect(function() warm.on_published(image { layers = layers }) end).to_fail_with "40 failed"
    expect(#warm.wishes).to_be(90)
  end)

  it("gives up at once what the mirror does not have, and goes on", function()
    local warm = plugin("warm-mirrors", { mirrors = { "https://mirror.example", "https://cdn.example" } }, {
      allow = allow, http = { status = 404, headers = {} },
    })
    expect(warm.on_published(image {})).to_equal {}
    expect(#warm.wishes).to_be(4)
  end)

  it("makes a failure a problem of the run when it is strict", function()
    local warm = plugin("warm-mirrors", { mirrors = { "https://cdn.example/{digest}" }, strict = true }, {
      allow = allow, http = function() error "cannot connect" end,
    })
    expect(function() warm.on_published(image {}) end).to_fail_with "1 failed, first layer sha256:222222222222: .*cannot connect"
    expect(#warm.wishes).to_be(3)
  end)

  it("reads the largest layers first, and only so many", function()
    local layers = {}
    for n = 1, 5 do layers[n] = { digest = "sha256:" .. tostring(n):rep(64), size = n * 1000, new = true } end
    local warm = plugin("warm-mirrors", { mirrors = { "https://cdn.example/{hex}" }, most = 2 }, {
      allow = allow, http = { status = 200, headers = {} },
    })
    warm.on_published(image { layers = layers })
    expect(#warm.wishes).to_be(2)
    expect(warm.wishes[1].url).to_match "/5{64}$"
    expect(warm.wishes[2].url).to_match "/4{64}$"
  end)

  it("does nothing for an image without new layers, but for its manifest", function()
    local warm = plugin("warm-mirrors", { mirrors = { "https://mirror.example" } }, { allow = allow, http = { status = 200, headers = {} } })
    warm.on_published(image { layers = { { digest = old, size = 1, new = false } } })
    expect(#warm.wishes).to_be(1)
  end)

  it("goes nowhere that is not allowed", function()
    local warm = plugin("warm-mirrors", { mirrors = { "https://elsewhere.example" }, strict = true }, { allow = allow, http = {} })
    expect(function() warm.on_published(image {}) end).to_fail_with "elsewhere.example.* is not allowed"
    expect(#warm.wishes).to_be(0)
  end)
end)
