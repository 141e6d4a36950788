//! lighttpd, with the module magnet: the settings choose the variant, and the script finds the file.

use core::fmt::Write as _;

use super::site::{
    API_VERSION, BLOB, BY_DIGEST, BY_TAG, DOCKER, JSON, NO_STORE, NO_V1, NO_V1_IMAGE, Problem, Site,
    V1_FOLDER, V1_JSON, VARY, v1_ping,
};

pub(super) fn settings(site: &Site<'_>) -> String {
    let mut text = String::from(
        "# A registry made of files. Include this file after
#     var.downshift-tree = \"/path/to/the/folder/current\"
# It needs mod_magnet and mod_setenv.
server.modules += ( \"mod_magnet\", \"mod_setenv\" )
$HTTP[\"url\"] =~ \"^/v[12]/\" {
    server.document-root = var.downshift-tree
    server.follow-symlink = \"enable\"
    magnet.attract-physical-path-to = ( var.downshift-tree + \"/lighttpd/downshift.lua\" )
    ",
    );
    let agents = site.rules.agents.iter().map(|rule| ("User-Agent", rule.pattern.clone(), rule));
    let accepts = site.rules.accepts.iter().filter(|rule| !rule.pattern.is_empty());
    let accepts = accepts.map(|rule| ("Accept", format!("(?i){}", rule.pattern), rule));
    let set = |variant: Option<&str>| {
        format!("setenv.set-request-header = ( \"Downshift-Variant\" => \"{}\" )", variant.unwrap_or("-"))
    };
    for (header, pattern, rule) in agents.chain(accepts) {
        let set = set(rule.variant.as_deref());
        let _ =
            write!(text, "$REQUEST_HEADER[\"{header}\"] =~ \"{pattern}\" {{\n        {set}\n    }} else ");
    }
    let last = site.rules.accepts.last().and_then(|rule| rule.variant.as_deref());
    // Where there is no such header, no condition on it holds.
    let _ = write!(text, "$HTTP[\"url\"] =~ \"\" {{\n        {}\n    }}\n}}\n", set(last));
    text
}

pub(super) fn script(site: &Site<'_>) -> String {
    let types: String = site
        .types()
        .iter()
        .map(|(extension, media_type)| format!("    [\"{extension}\"] = \"{media_type}\",\n"))
        .collect();
    let v1 = v1(site);
    let [blob, manifest, name, path, write] = Problem::ALL.map(Problem::body);
    format!(
        r#"-- A registry made of files: finds the file of a request, and says what it is.
local types = {{
{types}}}
local r = lighty.r
local path = r.req_attr["uri.path"]
local root = r.req_attr["physical.doc-root"]:gsub("/$", "")

local function say(status, type, body)
    r.resp_header["Content-Type"] = type
    r.resp_body.set(body)
    return status
end

local function send(file, type)
    r.req_attr["physical.path"] = file
    r.resp_header["Content-Type"] = type
end

{v1}if path:find("^/v1/") then
    return say(404, "text/plain; charset=utf-8", "{NO_V1}\n")
end
r.resp_header["Docker-Distribution-API-Version"] = "{API_VERSION}"
local method = r.req_attr["request.method"]
if method ~= "GET" and method ~= "HEAD" then
    return say(405, "{JSON}", '{write}')
end
if path == "/v2/" then
    return say(200, "{JSON}", "{{}}")
end

local name, reference = path:match("^/v2/(.+)/manifests/([^/]+)$")
if name then
    r.resp_header["Vary"] = "{VARY}"
    local by_digest = reference:find(":", 1, true)
    local folder = root .. "/objects/" .. name .. "/" .. reference
    if not by_digest then
        folder = root .. "/tags/" .. r.req_header["Downshift-Variant"] .. "/" .. name .. "/_" .. reference
    end
    if lighty.c.stat(folder) then
        for file in lighty.c.readdir(folder) do
            local digest, extension = file:match("^(sha%d+:%x+)%.(.+)$")
            if digest then
                r.resp_header["Docker-Content-Digest"] = digest
                r.resp_header["Cache-Control"] = by_digest and "{BY_DIGEST}" or "{BY_TAG}"
                return send(folder .. "/" .. file, types[extension] or "application/octet-stream")
            end
        end
    end
    return say(404, "{JSON}", '{manifest}')
end

local digest = path:match("^/v2/.+/blobs/(sha%d+:%x+)$")
if digest then
    if not lighty.c.stat(root .. path) then
        return say(404, "{JSON}", '{blob}')
    end
    r.resp_header["Docker-Content-Digest"] = digest
    r.resp_header["Cache-Control"] = "{BLOB}"
    return send(root .. path, "application/octet-stream")
end

if path == "/v2/_catalog" or path:find("^/v2/.+/tags/list$") then
    if not lighty.c.stat(root .. path) then
        return say(404, "{JSON}", '{name}')
    end
    r.resp_header["Cache-Control"] = "{BY_TAG}"
    return send(root .. path, "{JSON}")
end
return say(404, "{JSON}", '{path}')
"#
    )
}

/// Version 1, for Docker before 1.6 alone.
fn v1(site: &Site<'_>) -> String {
    let variants = site.v1_variants();
    if variants.is_empty() {
        return String::new();
    }
    let variants: String = variants.iter().map(|variant| format!("[\"{variant}\"] = true, ")).collect();
    let (headers, ping) = v1_ping();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("    r.resp_header[\"{name}\"] = \"{value}\"\n"))
        .collect();
    format!(
        r#"-- Docker before 1.6 pulls by version 1, and nobody else. Some engines do not say who they are where they ask whether it is there.
local variant = r.req_header["Downshift-Variant"]
local is_v1 = ({{ {variants}}})[variant]
local says_docker = (r.req_header["User-Agent"] or ""):find("{DOCKER}")
if path == "/v1/_ping" and (is_v1 or not says_docker) then
{headers}    r.resp_header["Cache-Control"] = "{NO_STORE}"
    return say(200, "{V1_JSON}", '{ping}')
end
if is_v1 and path:find("^/v1/") then
    local file, layer
    local list = path:match("^/v1/repositories/(.+/images)$") or path:match("^/v1/repositories/(.+/tags)$")
    local id, part = path:match("^/v1/images/(%x+)/(%l+)$")
    if list then
        file = root .. "/{V1_FOLDER}/" .. variant .. "/" .. list
    elseif part == "ancestry" or part == "json" or part == "layer" then
        file = root .. "/{V1_FOLDER}/images/" .. id .. "/" .. part
        layer = lighty.c.stat(root .. "/{V1_FOLDER}/images/" .. id .. "/layer")
    end
    if not file or not lighty.c.stat(file) then
        return say(404, "text/plain; charset=utf-8", "{NO_V1_IMAGE}\n")
    end
    r.resp_header["Cache-Control"] = "{NO_STORE}"
    if part == "json" and layer then
        r.resp_header["X-Docker-Size"] = tostring(layer.st_size)
    end
    return send(file, part == "layer" and "application/octet-stream" or "{V1_JSON}")
end
"#
    )
}
