local fakes = {
  secret = { token = "Bearer t" },
  allow = { http = { "api.github.com", "gitlab.com", "git.example" } },
}
local function with(settings)
  settings.forge = settings.forge or "github"
  settings.project = settings.project or "acme/shop"
  settings.token = "token"
  return plugin("open-ticket", settings, fakes)
end
local denied = {
  status = "denied", previous_status = "succeeded", reason = "web: gate-size: the image weighs 2.00 GB",
  images = { { name = "web", status = "denied", references = {}, tags = {}, reason = "gate-size: the image weighs 2.00 GB" } },
}
local function opened(settings, run) return with(settings).on_finished(finished(run or denied)) end

describe("open-ticket", function()
  it("opens an issue on GitHub for a denied run", function()
    expect(opened {}).to_equal {
      actions = { {
        kind = "post",
        body = {
          url = "https://api.github.com/repos/acme/shop/issues",
          headers = { Authorization = secret "token", Accept = "application/vnd.github+json" },
          json = {
            title = "shop main: denied",
            body = "web: gate-size: the image weighs 2.00 GB\n\n"
              .. "Commit 4f0c1a2b9d3e by Ada Lovelace <ada@shop.example>. https://lighterman.example/runs/42",
          },
          ok = { 201 },
          about = "issue: shop main: denied",
        },
      } },
    }
  end)

  it("lists images where there are several", function()
    local two = { { name = "web", status = "denied", references = {}, tags = {}, reason = "too large" }, { name = "api", status = "denied", references = {}, tags = {}, reason = "unsigned" } }
    expect(opened({}, { status = "denied", reason = "2 images", images = two }).actions[1].body.json.body)
      .to_match "^2 images\n\n- web: too large\n- api: unsigned\n\nCommit "
  end)

  it("opens one for the first of a row on a branch, and for each git tag", function()
    expect(opened({}, { status = "denied", previous_status = "denied" })).to_equal {}
    expect(#opened({}, { status = "denied", previous_status = "denied", push = { tag = "v1.0.0" } }).actions).to_be(1)
  end)

  it("leaves other ends alone, unless they are named", function()
    expect(opened({}, { status = "failed" })).to_equal {}
    expect(opened({}, {})).to_equal {}
    expect(#opened({ on = { "denied", "failed" } }, { status = "failed" }).actions).to_be(1)
  end)

  it("opens an issue on GitLab", function()
    local body = opened({ forge = "gitlab", project = "acme/web/shop", labels = { "policy", "build" } }).actions[1].body
    expect(body.url).to_be "https://gitlab.com/api/v4/projects/acme%2Fweb%2Fshop/issues"
    expect(body.headers["PRIVATE-TOKEN"]).to_equal(secret "token")
    expect(body.json.labels).to_be "policy,build"
    expect(body.json.description).to_match "^web: gate-size"
    expect(body.json.body).to_be_nil()
  end)

  it("opens an issue on Gitea and Forgejo, whose labels are numbers", function()
    for _, forge in ipairs { "gitea", "forgejo" } do
      local body = opened({ forge = forge, api = "https://git.example/api/v1/", labels = { 3, "7" } }).actions[1].body
      expect(body.url).to_be "https://git.example/api/v1/repos/acme/shop/issues"
      expect(body.headers.Authorization).to_equal(secret "token")
      expect(body.json.labels).to_equal { 3, 7 }
    end
    expect(function() opened { forge = "gitea", api = "https://git.example/api/v1", labels = { "bug" } } end)
      .to_fail_with 'gitea wants the number of a label, not "bug"'
  end)

  it("takes your own words", function()
    local body = opened({ title = "[{status}] {ref}", body = "{short}{image}" }).actions[1].body
    expect(body.json).to_equal { title = "[denied] main", body = "4f0c1a2b9d3e" }
  end)

  it("keeps a title within what forges take", function()
    expect(#opened({ title = ("x"):rep(300) }).actions[1].body.json.title).to_be(250)
  end)

  it("says what is missing or wrong", function()
    expect(function() opened { forge = "gitea" } end).to_fail_with "api: gitea has no address of its own"
    expect(function() opened { project = "shop" } end).to_fail_with 'project: "shop" is not of the form owner/name'
    expect(function() opened { forge = "sourcehut" } end).to_fail_with "must be one of github, gitlab, gitea, forgejo"
    expect(function() opened { api = "https://elsewhere.example" } end).to_fail_with "elsewhere.example.* is not allowed"
  end)
end)

describe("open-ticket after a new scan", function()
  it("lists what was found, and where it is fixed", function()
    local body = with({}).on_rescan(image { tags = { "main", "main-4f0c1a2b9d3e" } }).actions[1].body
    expect(body.json.title).to_be "shop main: 1 new vulnerability"
    expect(body.json.body).to_contain "a new scan of web (main, main-4f0c1a2b9d3e) found 1 new vulnerability"
    expect(body.json.body).to_contain "- CVE-2026-1111 (CRITICAL): openssl 3.0.11-1, fixed in 3.0.13-1"
  end)

  it("is quiet about lesser and waived ones, and about none", function()
    local function found(list) return with({}).on_rescan(image { new_findings = list }) end
    expect(found {}).to_equal {}
    expect(found { { id = "CVE-1", severity = "LOW", package = "a" } }).to_equal {}
    expect(found { { id = "CVE-1", severity = "CRITICAL", package = "a", waived = "not reachable" } }).to_equal {}
  end)
end)
