//! Caddy.
//!
//! A tag is a link to the folder of a manifest, and the only file in it says its digest and its type: `try_files` finds it by a
//! pattern.

use core::fmt::Write as _;

use super::site::{
    API_VERSION, BLOB, BY_DIGEST, BY_TAG, DIGEST, DOCKER, JSON, NO_STORE, NO_V1, NO_V1_IMAGE, Problem, Site,
    TAG, V1_FOLDER, V1_JSON, VARY, v1_ping,
};

pub(super) fn settings(site: &Site<'_>) -> String {
    let mut text = String::from(
        "# A registry made of files. Import this file in a site, after
#     root * /path/to/the/folder/current
map \"{header.User-Agent} {header.Accept}\" {downshift_variant} {
",
    );
    for rule in &site.rules.agents {
        let _ = writeln!(text, "\t`~{}` `{}`", rule.pattern, rule.variant_name());
    }
    for rule in &site.rules.accepts {
        let variant = rule.variant_name();
        let _ = match rule.pattern.as_str() {
            "" => writeln!(text, "\tdefault `{variant}`"),
            pattern => writeln!(text, "\t`~(?i){pattern}` `{variant}`"),
        };
    }
    let _ = write!(
        text,
        "}}

header /v2/* Docker-Distribution-API-Version {API_VERSION}

@downshift_write {{
	path /v2/*
	not method GET HEAD
}}
handle @downshift_write {{
	header Content-Type `{JSON}`
	respond `{}` 405
}}

handle /v2/ {{
	header Content-Type `{JSON}`
	respond `{{}}`
}}

",
        Problem::Write.body()
    );
    for (kind, reference, folder, cache) in [
        ("digest", DIGEST, "objects/{re.downshift.1}/{re.downshift.2}", BY_DIGEST),
        ("tag", TAG, "tags/{downshift_variant}/{re.downshift.1}/_{re.downshift.2}", BY_TAG),
    ] {
        let _ = write!(
            text,
            "@downshift_{kind} path_regexp downshift `^/v2/(.+)/manifests/({reference})$`
handle @downshift_{kind} {{
	route {{
		header Vary `{VARY}`
		@found file {{
			try_files /{folder}/*
		}}
		handle @found {{
			route {{
				rewrite * {{http.matchers.file.relative}}
				@object path_regexp object `/({DIGEST})[.][^./]+$`
				header @object Docker-Content-Digest {{re.object.1}}
				header Cache-Control `{cache}`
				# Caddy's own ETag is that of any file of the same size and second.
				header @object {{
					ETag `\"{{re.object.1}}\"`
					-Last-Modified
					defer
				}}
				@known header If-None-Match *{{re.object.1}}*
				respond @known 304
"
        );
        for (extension, media_type) in site.types() {
            let _ = write!(
                text,
                "				@{extension} path *.{extension}
				header @{extension} Content-Type `{media_type}`
"
            );
        }
        let _ = write!(
            text,
            "				file_server
			}}
		}}
		handle {{
			header Content-Type `{JSON}`
			respond `{}` 404
		}}
	}}
}}

",
            Problem::Manifest.body()
        );
    }
    for (kind, pattern, headers, problem) in [
        (
            "blob",
            format!("^/v2/.+/blobs/({DIGEST})$"),
            format!(
                "header Content-Type application/octet-stream
			header Docker-Content-Digest {{re.downshift.1}}
			header Cache-Control `{BLOB}`"
            ),
            Problem::Blob,
        ),
        (
            "list",
            "^/v2/(?:.+/tags/list|_catalog)$".to_owned(),
            format!("header Content-Type `{JSON}`\n			header Cache-Control `{BY_TAG}`"),
            Problem::Name,
        ),
    ] {
        let _ = write!(
            text,
            "@downshift_{kind} path_regexp downshift `{pattern}`
handle @downshift_{kind} {{
	@found file {{path}}
	handle @found {{
		route {{
			{headers}
			file_server
		}}
	}}
	handle {{
		header Content-Type `{JSON}`
		respond `{}` 404
	}}
}}

",
            problem.body()
        );
    }
    text.push_str(&v1(site));
    let _ = write!(
        text,
        "handle /v2/* {{
	header Content-Type `{JSON}`
	respond `{}` 404
}}

handle /v1/* {{
	respond `{NO_V1}` 404
}}
",
        Problem::Path.body()
    );
    text
}

/// Version 1, for Docker before 1.6 alone.
fn v1(site: &Site<'_>) -> String {
    let variants = site.v1_variants();
    if variants.is_empty() {
        return String::new();
    }
    let variants = variants.join(" ");
    let mut text = String::from("map {header.User-Agent} {downshift_v1_ping} {\n");
    for pattern in site.v1_patterns() {
        let _ = writeln!(text, "\t`~{pattern}` yes");
    }
    let (headers, ping) = v1_ping();
    let headers: String =
        headers.iter().map(|(name, value)| format!("\theader {name} `{value}`\n")).collect();
    let _ = write!(
        text,
        "\t`~{DOCKER}` no
	default yes
}}

@downshift_v1_ping {{
	path /v1/_ping
	vars {{downshift_v1_ping}} yes
}}
handle @downshift_v1_ping {{
	header Content-Type `{V1_JSON}`
	header Cache-Control `{NO_STORE}`
{headers}	respond `{ping}`
}}

"
    );
    for (kind, pattern, file, type_and_size) in [
        (
            "list",
            "^/v1/repositories/(.+/(?:images|tags))$",
            "{downshift_variant}/{re.downshift.1}",
            format!("header Content-Type `{V1_JSON}`"),
        ),
        (
            "layer",
            "^/v1/images/([0-9a-f]+)/layer$",
            "objects/{re.downshift.1}.*/layer",
            "header Content-Type application/octet-stream".to_owned(),
        ),
        (
            "ancestry",
            "^/v1/images/([0-9a-f]+)/ancestry$",
            "objects/{re.downshift.1}.*/ancestry",
            format!("header Content-Type `{V1_JSON}`"),
        ),
        (
            "json",
            "^/v1/images/([0-9a-f]+)/json$",
            "objects/{re.downshift.1}.*/json",
            format!(
                "@size path_regexp size `[.]([0-9]+)/json$`\n\t\t\theader @size X-Docker-Size {{re.size.1}}\n\t\t\t\
                 header Content-Type `{V1_JSON}`"
            ),
        ),
    ] {
        let _ = write!(
            text,
            "@downshift_v1_{kind} {{
	path_regexp downshift `{pattern}`
	vars {{downshift_variant}} {variants}
}}
handle @downshift_v1_{kind} {{
	@found file {{
		try_files /{V1_FOLDER}/{file}
	}}
	handle @found {{
		route {{
			rewrite * {{http.matchers.file.relative}}
			{type_and_size}
			header Cache-Control `{NO_STORE}`
			file_server
		}}
	}}
	handle {{
		respond `{NO_V1_IMAGE}` 404
	}}
}}

"
        );
    }
    text
}
