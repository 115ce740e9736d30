---@meta lighterman
-- What plugins and their specs see, for the Lua language server (LuaLS) and EmmyLua. Never run.
-- A hook's parameter gets its type by a line above it: ---@param image lighterman.StagedImage

---------------------------------------------------------------- facts

---@class lighterman.TagPlan
---@field tag string
---@field moving? boolean A moving tag only moves forward; a fixed one names this image for good
---@field version? string What it moves by, where the git tag is no version: 1.4.2 of shop-v1.4.2

---@class lighterman.ImagePlan What is planned for an image without plugins
---@field name string
---@field targets string[] host/repository
---@field context string
---@field dockerfile string
---@field target string The stage to build; "": the last
---@field platform string
---@field args table<string, string>
---@field labels table<string, string>
---@field tags lighterman.TagPlan[]

---@class lighterman.Push
---@field source string
---@field branch? string
---@field tag? string
---@field commit string
---@field short string The first 12 digits of the commit
---@field ref? string
---@field before? string
---@field author string
---@field author_known boolean
---@field message string
---@field title string The message's first line
---@field changed_paths? string[] nil: not known
---@field forge? string
---@field origin "webhook"|"api"|"schedule"|"poll"|"catch_up"|"retry"
---@field pull_request? string
---@field default_branch? string
---@field reason? string
---@field received string RFC 3339
---@field committed? string RFC 3339
---@field run integer

---@class lighterman.PlannedPush: lighterman.Push
---@field image lighterman.ImagePlan

---@class lighterman.Layer
---@field digest string
---@field diff_id? string
---@field size integer Bytes, compressed
---@field media_type string
---@field instruction string
---@field line? integer Of the Dockerfile
---@field stage? string
---@field new boolean The registry does not have it

---@class lighterman.ImageConfig
---@field user string
---@field entrypoint string[]
---@field cmd string[]
---@field workdir string
---@field os string
---@field architecture string
---@field exposed_ports string[]
---@field volumes string[]
---@field healthcheck boolean
---@field env string[] Names only

---@class lighterman.Base
---@field image string
---@field stage? string
---@field digest? string
---@field signed_by? string[] Names of keys
---@field created? string RFC 3339
---@field unknown? string Why something of it is not known

---@class lighterman.Finding
---@field id string
---@field package string
---@field installed string
---@field fixed? string
---@field severity string
---@field status string
---@field title string
---@field layer? string
---@field instruction? string
---@field base? string
---@field waived? string Why it does not count

---@class lighterman.Findings
---@field scanner string
---@field database_updated? string RFC 3339
---@field counts table<string, integer> By severity
---@field list lighterman.Finding[]

---@class lighterman.PreviousImage
---@field digest string
---@field size integer
---@field commit string
---@field version? string
---@field tags string[]
---@field published string RFC 3339
---@field run integer

---@class lighterman.Staging
---@field address string
---@field repository string
---@field reference string Where tools can read the image now

---@class lighterman.StagedImage
---@field push lighterman.Push
---@field name string
---@field target string The first of targets
---@field targets string[] host/repository
---@field platform string
---@field digest string
---@field media_type string
---@field size integer Bytes of all layers, compressed
---@field new_size integer Of those, bytes the registry does not have
---@field layers lighterman.Layer[]
---@field labels table<string, string>
---@field config lighterman.ImageConfig
---@field bases lighterman.Base[]
---@field tags lighterman.TagPlan[]
---@field findings? lighterman.Findings nil: not scanned
---@field sbom? { format: string, components: integer }
---@field staging lighterman.Staging
---@field previous? lighterman.PreviousImage
---@field built? boolean Steps really ran
---@field duration? number Seconds

---@class lighterman.TagOutcome
---@field tag string
---@field fate "created"|"moved"|"unchanged"|"held_back"
---@field reason? string

---@class lighterman.Publication
---@field target string
---@field tags lighterman.TagOutcome[]
---@field layers { sent: integer, mounted: integer, present: integer }
---@field sent_bytes integer

---@class lighterman.PublishedImage: lighterman.StagedImage
---@field references string[] host/repository@digest
---@field published lighterman.Publication[]

---@class lighterman.RescannedImage
---@field push lighterman.Push
---@field name string
---@field target string
---@field targets string[]
---@field references string[]
---@field tags string[]
---@field labels table<string, string>
---@field published string RFC 3339
---@field findings lighterman.Findings
---@field new_findings lighterman.Finding[]

---@class lighterman.ImageEnd
---@field name string
---@field status string
---@field references string[]
---@field tags string[]
---@field reason? string

---@class lighterman.FinishedRun
---@field id integer
---@field status "succeeded"|"failed"|"denied"|"cancelled"|"skipped"
---@field previous_status? string
---@field reason string
---@field started string RFC 3339
---@field ended string RFC 3339
---@field duration number Seconds
---@field url string
---@field push lighterman.Push
---@field images lighterman.ImageEnd[]

---------------------------------------------------------------- answers

---@alias lighterman.Tags string|lighterman.TagPlan|(string|lighterman.TagPlan)[]
---@alias lighterman.Texts string|string[]

---@class lighterman.Sign
---@field key string
---@field claims? table<string, string>

---@class lighterman.Attach
---@field kind "sbom"|"provenance"|"document"
---@field format? "cyclonedx"|"spdx"
---@field predicate_type? string
---@field document? table
---@field key? string

---@class lighterman.Replicate
---@field to lighterman.Texts
---@field tags? string[]
---@field rename? string
---@field only_signed? boolean

---@class lighterman.Retain
---@field keep integer
---@field by? "semver"|"time"
---@field protect? string[]
---@field older_than? string|number
---@field repository? string

---@class lighterman.Promote
---@field to string
---@field tags? string[]
---@field approve? boolean

---@class lighterman.Post
---@field url? string|lighterman.Secret
---@field json? any
---@field text? string
---@field form? table<string, string>
---@field headers? table<string, string|lighterman.Secret>
---@field method? "POST"|"PUT"|"PATCH"|"DELETE"
---@field hmac? { secret: lighterman.Secret, style?: "header"|"dingtalk"|"feishu", header?: string }
---@field ok? integer[] Statuses that are success
---@field expect? table<string, string|number|boolean> Members of a good answer's JSON
---@field run? string A program, instead of a url
---@field args? string[]
---@field input? string
---@field env? table<string, string|lighterman.Secret>
---@field about? string For people
---@field tries? integer

---@class lighterman.Untag
---@field tags lighterman.Texts
---@field reason? string

---@class lighterman.PushAnswer
---@field tags? lighterman.Tags
---@field args? table<string, string|number|boolean>
---@field labels? table<string, string|number|boolean>
---@field target? string
---@field platforms? lighterman.Texts
---@field skip? lighterman.Texts

---@class lighterman.StagedAnswer
---@field deny? lighterman.Texts
---@field sign? lighterman.Sign|lighterman.Sign[]
---@field attach? lighterman.Attach|lighterman.Attach[]
---@field tags? lighterman.Tags

---@class lighterman.PublishedAnswer
---@field replicate? lighterman.Replicate|lighterman.Replicate[]
---@field retain? lighterman.Retain|lighterman.Retain[]
---@field promote? lighterman.Promote|lighterman.Promote[]
---@field post? lighterman.Post|lighterman.Post[]

---@class lighterman.RescanAnswer
---@field post? lighterman.Post|lighterman.Post[]
---@field deny? lighterman.Texts
---@field untag? lighterman.Untag|lighterman.Untag[]

---@class lighterman.FinishedAnswer
---@field post? lighterman.Post|lighterman.Post[]

---@param reason string
---@return { deny: string[] }
function deny(reason) end

---@param reason string
---@return { skip: string[] }
function skip(reason) end

---@param what lighterman.Sign
---@return { sign: lighterman.Sign[] }
function sign(what) end

---@param what lighterman.Attach
---@return { attach: lighterman.Attach[] }
function attach(what) end

---@param what lighterman.Replicate
---@return { replicate: lighterman.Replicate[] }
function replicate(what) end

---@param what lighterman.Retain
---@return { retain: lighterman.Retain[] }
function retain(what) end

---@param what lighterman.Promote
---@return { promote: lighterman.Promote[] }
function promote(what) end

---@param what lighterman.Post
---@return { post: lighterman.Post[] }
function post(what) end

---@param what lighterman.Untag
---@return { untag: lighterman.Untag[] }
function untag(what) end

---------------------------------------------------------------- a plugin's file

---@class lighterman.Setting
---@field type "text"|"number"|"boolean"|"list"|"map"|"size"|"duration"
---@field about string
---@field default? any
---@field required? boolean
---@field choices? string[]

---@class lighterman.Needs
---@field http? lighterman.Texts
---@field run? lighterman.Texts
---@field secret? lighterman.Texts
---@field registry? lighterman.Texts
---@field scan? lighterman.Texts

---@class lighterman.Plugin
---@field settings? table<string, lighterman.Setting>
---@field needs? lighterman.Needs
---@field on_push? fun(push: lighterman.PlannedPush): lighterman.PushAnswer?, ...
---@field on_staged? fun(image: lighterman.StagedImage): lighterman.StagedAnswer?, ...
---@field on_published? fun(image: lighterman.PublishedImage): lighterman.PublishedAnswer?, ...
---@field on_rescan? fun(image: lighterman.RescannedImage): lighterman.RescanAnswer?, ...
---@field on_finished? fun(run: lighterman.FinishedRun): lighterman.FinishedAnswer?, ...

--- What the operator set, defaults filled in; sizes are bytes, durations seconds.
---@type table<string, any>
settings = {}

---------------------------------------------------------------- modules

---@param text string
---@param pattern string|string[] `*` and `?` stop at `/`, `**` does not
---@return boolean
function glob(text, pattern) end

--- What a tag may hold: "Feature/Fancy Thing" is "feature-fancy-thing".
---@param text string
---@return string
function slug(text) end

--- Fills {name} and {push.branch}; what has no value is an error.
---@param text string
---@param values table
---@return string
function template(text, values) end

json = {}
---@param value any
---@return string
function json.encode(value) end
---@param text string
---@return any
function json.decode(text) end

log = {}
---@param text any
function log.info(text) end
---@param text any
function log.warn(text) end

---@class lighterman.Version
---@field major integer
---@field minor integer
---@field patch integer
---@field text string
---@field prerelease? string

semver = {}
---@param text string
---@return lighterman.Version? # nil: not a version
function semver.parse(text) end
---@param a string
---@param b string
---@return -1|0|1
function semver.compare(a, b) end
---@param version string
---@param range string As npm writes them
---@return boolean
function semver.satisfies(version, range) end

regex = {}
---@param text string
---@param pattern string RE2's syntax
---@return table? # [1] the whole, then the groups; named groups by name
function regex.match(text, pattern) end
---@param text string
---@param pattern string
---@return boolean
function regex.matches(text, pattern) end
---@param text string
---@param pattern string
---@param by string \0 is the match, \1 its first group
---@return string
function regex.replace(text, pattern, by) end

time = {}
---@return integer # seconds since 1970, of the run
function time.now() end
---@param text string RFC 3339
---@return integer
function time.parse(text) end
---@param format string strftime's letters
---@param seconds? integer default: now
---@return string
function time.format(format, seconds) end
---@param length string "7d"
---@return integer
function time.seconds(length) end

tags = {}
---@param push lighterman.Push
---@param pattern? string {{version}} {{major}} {{minor}} {{patch}}
---@param prefix? string What stands before the version in the git tag: "shop-"
---@return string|lighterman.TagPlan|nil # behind a prefix a table, which knows its version
function tags.semver(push, pattern, prefix) end
---@param push lighterman.Push
---@param pattern? string
---@return string?
function tags.pep440(push, pattern) end
---@param push lighterman.Push
---@param pattern string
---@param group? integer
---@return string?
function tags.match(push, pattern, group) end
---@param push lighterman.Push
---@param kind "branch"|"tag"|"pr"
---@return string?
function tags.ref(push, kind) end
---@param push lighterman.Push
---@param length? "short"|"long"
---@return string?
function tags.sha(push, length) end
---@param push lighterman.Push
---@param format? string
---@return string?
function tags.schedule(push, format) end
---@param push lighterman.Push
---@param branch? string
---@return string?
function tags.edge(push, branch) end

---------------------------------------------------------------- capabilities (where `needs` names them)

---@class lighterman.Secret A handle: opened in headers, URLs, hmac and env; never a text

---@param name string
---@return lighterman.Secret
function secret(name) end

---@class lighterman.Request
---@field url string|lighterman.Secret
---@field method? "GET"|"HEAD"|"POST"|"PUT"|"PATCH"|"DELETE"
---@field headers? table<string, string|lighterman.Secret>
---@field json? any
---@field text? string
---@field form? table<string, string>
---@field timeout? string|number

---@param request lighterman.Request
---@return { status: integer, headers: table<string, string>, text: string, json?: any }
function http(request) end

---@param what { program: string, args?: string[], input?: string, env?: table<string, string|lighterman.Secret>, timeout?: string|number }
---@return { code: integer, output: string, errors: string }
function run(what) end

---@param reference string
---@param options? table
---@return lighterman.Findings
function scan(reference, options) end

registry = {}
---@param repository string
---@return string[]
function registry.tags(repository) end
---@param reference string
---@return table
function registry.manifest(reference) end
---@param reference string
---@return table<string, string>
function registry.labels(reference) end
---@param reference string
---@return table[]
function registry.referrers(reference) end

---------------------------------------------------------------- specs

---@class lighterman.Answer
---@field tags? lighterman.TagPlan[]
---@field args? table<string, string>
---@field labels? table<string, string>
---@field target? string
---@field platforms? string[]
---@field skip? string[]
---@field deny? string[]
---@field actions? { kind: string, body: table }[]
---@field problems? string[]

---@class lighterman.Subject
---@field wishes table[]
---@field on_push fun(push: table): lighterman.Answer
---@field on_staged fun(image: table): lighterman.Answer
---@field on_published fun(image: table): lighterman.Answer
---@field on_rescan fun(image: table): lighterman.Answer
---@field on_finished fun(run: table): lighterman.Answer

---@class lighterman.Fakes
---@field http? table|fun(wish: table): table
---@field run? table|fun(wish: table): table
---@field scan? table|fun(wish: table): table
---@field registry? table<string, any>
---@field secret? table<string, string>
---@field allow? table<string, lighterman.Texts> What "*" stands for
---@field now? string RFC 3339

---@class lighterman.Expectation
---@field to_equal fun(value: any)
---@field to_be fun(value: any)
---@field to_contain fun(item: any)
---@field to_match fun(pattern: string)
---@field to_be_nil fun()
---@field to_fail_with fun(pattern?: string)
---@field never lighterman.Expectation

---@param name string
---@param body fun()
function describe(name, body) end
---@param name string
---@param body fun()
function it(name, body) end
---@param value any
---@return lighterman.Expectation
function expect(value) end
---@param name string
---@param settings? table
---@param fakes? lighterman.Fakes
---@return lighterman.Subject
function plugin(name, settings, fakes) end
---@param facts? table
---@return lighterman.PlannedPush
function push(facts) end
---@param facts? table
---@return lighterman.PublishedImage
function image(facts) end
---@param facts? table
---@return lighterman.FinishedRun
function finished(facts) end
--- Takes a field out of sample facts.
none = {}
