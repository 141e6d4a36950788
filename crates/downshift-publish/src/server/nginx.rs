//! nginx.
//!
//! A tag is a link to the folder of a manifest, whose name is the digest: `$realpath_root` says where the link leads, so that
//! nothing has to be read again when a tag moves. It is looked at once for each request: what is sent and what is said of it are
//! of the same tree, even while trees are switched.

use core::fmt::Write as _;

use super::site::{
    API_VERSION, BLOB, BY_DIGEST, BY_TAG, DIGEST, DOCKER, JSON, NO_STORE, NO_V1, NO_V1_IMAGE, Problem, Site,
    TAG, V1_FOLDER, V1_JSON, VARY, v1_ping,
};

/// For the block `http`.
pub(super) fn maps(site: &Site<'_>) -> String {
    let mut text = String::from(
        "# Which variant a client gets. Include this file in the block http.\n\
         map $http_user_agent $downshift_agent {\n    default \"\";\n",
    );
    for rule in &site.rules.agents {
        let _ = writeln!(text, "    \"~{}\" \"{}\";", rule.pattern, rule.variant_name());
    }
    text.push_str("}\n\nmap $http_accept $downshift_accept {\n");
    for rule in &site.rules.accepts {
        let name = rule.variant_name();
        let _ = match rule.pattern.as_str() {
            "" => writeln!(text, "    default \"{name}\";"),
            pattern => writeln!(text, "    \"~*{pattern}\" \"{name}\";"),
        };
    }
    text.push_str(
        "}\n\n# nginx before 1.23 sees the first line of Accept alone: a client that is known by its User-Agent is known by that.\n\
         map $downshift_agent $downshift_variant {\n    default $downshift_agent;\n    \"\" $downshift_accept;\n}\n",
    );
    let _ = write!(
        text,
        "\nmap $downshift_folder $downshift_digest {{\n    default \"\";\n    \"~/(?<downshift_last>{DIGEST})$\" $downshift_last;\n}}\n\n\
         # Whether a client has the manifest already. That is said by its digest, for nginx's own ETag is that of any file of the same\n\
         # size and second.\n\
         map \"$downshift_digest $http_if_none_match\" $downshift_is_known {{\n    default \"\";\n    \
         '~^({DIGEST}) (?:[*]$|.*\"\\1\")' 1;\n}}\n"
    );
    v1_maps(site, &mut text);
    text
}

/// Who gets version 1, and how many bytes a layer of it has, which is in the name of a folder.
fn v1_maps(site: &Site<'_>, text: &mut String) {
    let variants = site.v1_variants();
    if variants.is_empty() {
        return;
    }
    text.push_str("\nmap $downshift_variant $downshift_v1 {\n    default \"\";\n");
    for variant in variants {
        let _ = writeln!(text, "    \"{variant}\" 1;");
    }
    text.push_str("}\n\nmap $http_user_agent $downshift_v1_ping {\n    default 1;\n");
    for pattern in site.v1_patterns() {
        let _ = writeln!(text, "    \"~{pattern}\" 1;");
    }
    let _ = write!(
        text,
        "    \"~{DOCKER}\" \"\";\n}}\n\nmap $downshift_folder $downshift_size {{\n    default \"\";\n    \
         \"~[.](?<downshift_bytes>[0-9]+)$\" $downshift_bytes;\n}}\n"
    );
}

/// Version 1, for Docker before 1.6 alone.
fn v1(site: &Site<'_>) -> String {
    let none = format!(
        "location /v1/ {{\n    default_type \"text/plain; charset=utf-8\";\n    return 404 \"{NO_V1}\\n\";\n}}\n\n"
    );
    if site.v1_variants().is_empty() {
        return none.replacen("location /v1/", "location ^~ /v1/", 1);
    }
    let (headers, ping) = v1_ping();
    let headers: String =
        headers.iter().map(|(name, value)| format!("    add_header {name} \"{value}\";\n")).collect();
    let mut text = format!(
        "location = /v1/_ping {{
    default_type {V1_JSON};
{headers}    add_header Cache-Control {NO_STORE};
    if ($downshift_v1_ping = \"\") {{
        rewrite ^ /v1/- last;
    }}
    return 200 '{ping}';
}}

location ~ \"^/v1/repositories/(?<downshift_name>.+)/(?<downshift_list>images|tags)$\" {{
    root $downshift_tree/{V1_FOLDER}/$downshift_variant/$downshift_name;
    types {{}}
    default_type {V1_JSON};
    gzip off;
    add_header Cache-Control {NO_STORE};
    error_page 403 404 = @downshift-v1-unknown;
    if ($downshift_v1 = \"\") {{
        rewrite ^ /v1/- last;
    }}
    try_files /$downshift_list =404;
}}

location ~ \"^/v1/images/(?<downshift_id>[0-9a-f]+)/(?<downshift_part>ancestry|json|layer)$\" {{
    root $downshift_tree/{V1_FOLDER}/images/$downshift_id;
    error_page 403 404 = @downshift-v1-unknown;
    if ($downshift_v1 = \"\") {{
        rewrite ^ /v1/- last;
    }}
    if (!-d $document_root) {{
        return 404;
    }}
    set $downshift_folder $realpath_root;
    rewrite ^ /-/downshift/v1/$downshift_part last;
}}

location @downshift-v1-unknown {{
    default_type \"text/plain; charset=utf-8\";
    return 404 \"{NO_V1_IMAGE}\\n\";
}}

"
    );
    for (part, media_type, size) in [
        ("ancestry", V1_JSON, ""),
        ("json", V1_JSON, "    add_header X-Docker-Size $downshift_size;\n"),
        ("layer", "application/octet-stream", ""),
    ] {
        let _ = write!(
            text,
            "location = /-/downshift/v1/{part} {{
    internal;
    root $downshift_folder;
    types {{}}
    default_type {media_type};
    gzip off;
{size}    add_header Cache-Control {NO_STORE};
    error_page 403 404 = @downshift-v1-unknown;
    try_files /{part} =404;
}}

"
        );
    }
    text + &none
}

/// For a block `server`, which says where the tree is.
pub(super) fn server(site: &Site<'_>) -> String {
    let types: String = site
        .types()
        .iter()
        .map(|(extension, media_type)| format!("        {media_type} {extension};\n"))
        .collect();
    let tries: String =
        site.types().iter().map(|(extension, _)| format!(" /$downshift_digest.{extension}")).collect();
    let error = |problem: Problem, location: &str, status: u16| {
        let vary = if problem == Problem::Manifest {
            format!("    add_header Vary \"{VARY}\" always;\n")
        } else {
            String::new()
        };
        format!(
            "location {location} {{\n    default_type \"{JSON}\";\n    add_header Docker-Distribution-API-Version {API_VERSION} always;\n\
             {vary}    return {status} '{}';\n}}\n",
            problem.body()
        )
    };
    let mut text = format!(
        "# A registry made of files. Include this file in a block server, after
#     set $downshift_tree /path/to/the/folder/current;
# and the file maps.conf beside this one in the block http.
location = /v2/ {{
    default_type \"{JSON}\";
    add_header Docker-Distribution-API-Version {API_VERSION} always;
    return 200 '{{}}';
}}

location ~ \"^/v2/(?<downshift_name>.+)/manifests/(?<downshift_reference>{DIGEST})$\" {{
    error_page 403 404 = @downshift-manifest-unknown;
    error_page 405 = @downshift-unsupported;
    if ($request_method !~ ^(?:GET|HEAD)$) {{
        return 405;
    }}
    set $downshift_folder $downshift_tree/objects/$downshift_name/$downshift_reference;
    set $downshift_cache \"{BY_DIGEST}\";
    rewrite ^ /-/downshift/manifest last;
}}

location ~ \"^/v2/(?<downshift_name>.+)/manifests/(?<downshift_reference>{TAG})$\" {{
    error_page 403 404 = @downshift-manifest-unknown;
    error_page 405 = @downshift-unsupported;
    root $downshift_tree/tags/$downshift_variant/$downshift_name/_$downshift_reference;
    if ($request_method !~ ^(?:GET|HEAD)$) {{
        return 405;
    }}
    if (!-d $document_root) {{
        return 404;
    }}
    set $downshift_folder $realpath_root;
    set $downshift_cache \"{BY_TAG}\";
    rewrite ^ /-/downshift/manifest last;
}}

location = /-/downshift/manifest {{
    internal;
    root $downshift_folder;
    types_hash_bucket_size 256;
    types {{
{types}    }}
    default_type application/octet-stream;
    gzip off;
    etag off;
    if_modified_since off;
    add_header ETag '\"$downshift_digest\"';
    add_header Last-Modified \"\";
    add_header Docker-Distribution-API-Version {API_VERSION} always;
    add_header Docker-Content-Digest $downshift_digest;
    add_header Cache-Control $downshift_cache;
    add_header Vary \"{VARY}\" always;
    error_page 403 404 = @downshift-manifest-unknown;
    error_page 405 = @downshift-unsupported;
    if (!-d $downshift_folder) {{
        return 404;
    }}
    if ($downshift_is_known) {{
        return 304;
    }}
    try_files{tries} =404;
}}

location ~ \"^/v2/.+/blobs/(?<downshift_reference>{DIGEST})$\" {{
    root $downshift_tree;
    types {{}}
    default_type application/octet-stream;
    gzip off;
    add_header Docker-Distribution-API-Version {API_VERSION} always;
    add_header Docker-Content-Digest $downshift_reference;
    add_header Cache-Control \"{BLOB}\";
    error_page 403 404 = @downshift-blob-unknown;
    error_page 405 = @downshift-unsupported;
    try_files $uri =404;
}}

location ~ \"^/v2/(?:.+/tags/list|_catalog)$\" {{
    root $downshift_tree;
    types {{}}
    default_type \"{JSON}\";
    add_header Docker-Distribution-API-Version {API_VERSION} always;
    add_header Cache-Control \"{BY_TAG}\";
    error_page 403 404 = @downshift-name-unknown;
    error_page 405 = @downshift-unsupported;
    try_files $uri =404;
}}

"
    );
    text.push_str(&v1(site));
    for (problem, location, status) in [
        (Problem::Path, "/v2/", 404),
        (Problem::Manifest, "@downshift-manifest-unknown", 404),
        (Problem::Blob, "@downshift-blob-unknown", 404),
        (Problem::Name, "@downshift-name-unknown", 404),
        (Problem::Write, "@downshift-unsupported", 405),
    ] {
        text.push_str(&error(problem, location, status));
    }
    text
}
