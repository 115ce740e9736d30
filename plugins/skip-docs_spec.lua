describe("skip-docs", function()
  local skip_docs = plugin("skip-docs")
  local function changing(paths, more)
    local facts = { changed_paths = paths }
    for name, value in pairs(more or {}) do facts[name] = value end
    return skip_docs.on_push(push(facts))
  end

  it("skips when nothing but documentation changed", function()
    expect(changing { "README.md", "docs/guide/start.png" }).to_equal {
      skip = { "only documentation changed: README.md, docs/guide/start.png" },
    }
  end)

  it("names three paths and counts the others", function()
    expect(changing({ "a.md", "b.md", "c.md", "d.md", "e.md" }).skip[1]).to_be
      "only documentation changed: a.md, b.md, c.md and 2 more"
  end)

  it("builds when one path is something else", function()
    expect(changing { "README.md", "src/cart.go" }).to_equal {}
    expect(changing { "docs.go" }).to_equal {}
    expect(changing { "src/docs/../main.c" }).to_equal {}
  end)

  it("builds when it is not known what changed, and when nothing did", function()
    expect(changing(none)).to_equal {}
    expect(changing {}).to_equal {}
  end)

  it("builds what somebody or a schedule asked for, and every git tag", function()
    for _, origin in ipairs { "api", "schedule", "retry" } do
      expect(changing({ "README.md" }, { origin = origin })).to_equal {}
    end
    expect(changing({ "README.md" }, { tag = "v1.0.0" })).to_equal {}
  end)

  it("skips what a poll and the catching up find as well", function()
    for _, origin in ipairs { "poll", "catch_up" } do
      expect(#changing({ "README.md" }, { origin = origin }).skip).to_be(1)
    end
  end)

  it("keeps building what is named", function()
    local careful = plugin("skip-docs", { keep = "docs/embedded/**" })
    expect(careful.on_push(push { changed_paths = { "docs/embedded/help.md" } })).to_equal {}
    expect(#careful.on_push(push { changed_paths = { "docs/help.md" } }).skip).to_be(1)
  end)

  it("takes other paths for documentation when told so", function()
    local other = plugin("skip-docs", { paths = { "site/**" } })
    expect(other.on_push(push { changed_paths = { "README.md" } })).to_equal {}
    expect(#other.on_push(push { changed_paths = { "site/index.html" } }).skip).to_be(1)
  end)
end)
