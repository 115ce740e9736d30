local function finding(id, severity, more)
  local found = { id = id, package = "openssl", installed = "3.0.11", severity = severity, status = "affected", title = "" }
  for name, value in pairs(more or {}) do found[name] = value end
  return found
end
local function scanned(list, more)
  local findings = { scanner = "trivy 0.50.1", list = list }
  for name, value in pairs(more or {}) do findings[name] = value end
  return image { findings = findings }
end

describe("gate-on-cves", function()
  local gate = plugin("gate-on-cves")

  it("denies what is critical, and says where it is and what helps", function()
    expect(gate.on_staged(image {})).to_equal {
      deny = { "1 vulnerability: CVE-2026-1111 (CRITICAL) in openssl 3.0.11-1, fixed in 3.0.13-1, from the base debian:12. Update what brings it, or except an id until a day with `allow`" },
    }
  end)

  it("names the instruction that brought it", function()
    expect(gate.on_staged(scanned { finding("CVE-1", "CRITICAL", { instruction = "RUN pip install flask" }) }).deny[1])
      .to_contain "brought by: RUN pip install flask"
  end)

  it("names five and counts the others", function()
    local list = {}
    for n = 1, 7 do list[n] = finding("CVE-" .. n, "CRITICAL") end
    local why = gate.on_staged(scanned(list)).deny[1]
    expect(why).to_match "^7 vulnerabilities: CVE-1 .*CVE-5 [^;]*; and 2 more"
    expect(why).never.to_contain "CVE-6"
  end)

  it("lets lesser ones pass, and none", function()
    expect(gate.on_staged(scanned { finding("CVE-1", "HIGH") })).to_equal {}
    expect(gate.on_staged(scanned {})).to_equal {}
  end)

  it("does not count what is waived already", function()
    expect(gate.on_staged(scanned { finding("CVE-1", "CRITICAL", { waived = "not reachable" }) })).to_equal {}
  end)

  it("refuses an image that nobody scanned", function()
    expect(gate.on_staged(image { findings = none }).deny[1]).to_contain "was not scanned"
    local lenient = plugin("gate-on-cves", { unscanned = "allow" })
    expect(lenient.on_staged(image { findings = none })).to_equal {}
  end)
end)

describe("gate-on-cves with settings", function()
  local now = { now = "2026-09-30T12:00:00Z" }

  it("blocks the severities that are named, in any case", function()
    local strict = plugin("gate-on-cves", { block = { "critical", "High" } })
    expect(strict.on_staged(scanned { finding("CVE-1", "HIGH") }).deny[1]).to_contain "CVE-1 (HIGH)"
  end)

  it("passes over what has no fix yet", function()
    local fair = plugin("gate-on-cves", { ignore_unfixed = true })
    expect(fair.on_staged(scanned { finding("CVE-1", "CRITICAL") })).to_equal {}
    expect(#fair.on_staged(scanned { finding("CVE-1", "CRITICAL", { fixed = "3.0.13" }) }).deny).to_be(1)
  end)

  it("excepts an id until the end of a day", function()
    local list = { finding("CVE-1", "CRITICAL") }
    expect(plugin("gate-on-cves", { allow = { ["CVE-1"] = "2026-09-30" } }, now).on_staged(scanned(list))).to_equal {}
    expect(plugin("gate-on-cves", { allow = { ["CVE-1"] = "always" } }, now).on_staged(scanned(list))).to_equal {}
    expect(plugin("gate-on-cves", { allow = { ["CVE-1"] = "2026-09-29" } }, now).on_staged(scanned(list)).deny[1])
      .to_contain "its exception ended on 2026-09-29"
  end)

  it("excepts that id alone", function()
    local one = plugin("gate-on-cves", { allow = { ["CVE-1"] = "always" } })
    local why = one.on_staged(scanned { finding("CVE-1", "CRITICAL"), finding("CVE-11", "CRITICAL") }).deny[1]
    expect(why).to_match "^1 vulnerability: CVE-11 "
  end)

  it("does not believe an old database", function()
    local fresh = plugin("gate-on-cves", { max_age = "7d" }, now)
    expect(fresh.on_staged(scanned({}, { database_updated = "2026-09-25T12:00:00Z" }))).to_equal {}
    expect(fresh.on_staged(scanned({}, { database_updated = "2026-09-20T12:00:00Z" })).deny[1])
      .to_be "the scanner's database is from 2026-09-20, 10.0 days old where 7.0 are allowed: let the scanner update it"
    expect(fresh.on_staged(scanned({}, { database_updated = none })).deny[1]).to_contain "does not say how old"
  end)

  it("gives both reasons when there are two", function()
    local fresh = plugin("gate-on-cves", { max_age = "7d" }, now)
    expect(#fresh.on_staged(image {}).deny).to_be(2)
  end)

  it("refuses severities and days that are none, scanned or not", function()
    local wrong = plugin("gate-on-cves", { block = { "CRITICL" }, unscanned = "allow" })
    expect(function() wrong.on_staged(image { findings = none }) end).to_fail_with 'there is no severity "CRITICL"'
    local day = plugin("gate-on-cves", { allow = { ["CVE-2026-1111"] = "next week" } })
    expect(function() day.on_staged(image {}) end).to_fail_with '"next week" is neither a day'
    expect(function() plugin("gate-on-cves", { unscanned = "ignore" }) end).to_fail_with "must be one of deny, allow"
  end)
end)

describe("gate-on-cves after publication", function()
  it("marks an image for what is newly known", function()
    expect(plugin("gate-on-cves").on_rescan(image {}).deny[1]).to_match "^since it was published: 1 vulnerability: CVE-2026-1111"
  end)

  it("says nothing again about what was known", function()
    expect(plugin("gate-on-cves").on_rescan(image { new_findings = {} })).to_equal {}
  end)
end)
