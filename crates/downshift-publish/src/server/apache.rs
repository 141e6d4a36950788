//! Apache httpd.
//!
//! What tags stand for is in text files, which `RewriteMap` reads again when they have changed.

use core::fmt::Write as _;

use super::site::{
    API_VERSION, BLOB, BY_DIGEST, BY_TAG, DIGEST, DOCKER, JSON, NO_STORE, NO_V1, NO_V1_IMAGE, Problem, Site,
    TAG, V1_FOLDER, V1_JSON, VARY, v1_ping,
};
use crate::tree::{TAGS_MAP, VARIANTS_MAP};
use crate::v1::V1_SIZES;

pub(super) fn settings(site: &Site<'_>) -> String {
    let mut text = String::from(
        "# A registry made of files. Include this file in a <VirtualHost>, after
#     Define DOWNSHIFT_TREE /path/to/the/folder/current
# It needs the modules headers, mime, rewrite and setenvif.
DocumentRoot \"${DOWNSHIFT_TREE}\"
<Directory \"${DOWNSHIFT_TREE}\">
    AllowOverride None
    # Files of the same size may be of the same moment as well.
    FileETag INode MTime Size
    Options FollowSymLinks
    Require all granted
</Directory>

# Which variant a client gets: what stands further down counts.
",
    );
    for rule in site.rules.accepts.iter().rev() {
        let pattern = if rule.pattern.is_empty() { "^" } else { rule.pattern.as_str() };
        let variant = rule.variant_name();
        // Without the header nothing is compared.
        if rule.pattern.is_empty() {
            let _ = writeln!(text, "SetEnvIf Request_Method \"^\" downshift_variant={variant}");
        } else {
            let _ = writeln!(text, "SetEnvIfNoCase Accept \"{pattern}\" downshift_variant={variant}");
        }
    }
    for rule in site.rules.agents.iter().rev() {
        let variant = rule.variant_name();
        let _ = writeln!(text, "SetEnvIf User-Agent \"{}\" downshift_variant={variant}", rule.pattern);
    }
    let _ = write!(
        text,
        "
RewriteEngine On
RewriteMap downshift-tags \"txt:${{DOWNSHIFT_TREE}}/{TAGS_MAP}\"
RewriteMap downshift-variants \"txt:${{DOWNSHIFT_TREE}}/{VARIANTS_MAP}\"

RewriteCond %{{REQUEST_METHOD}} !^(?:GET|HEAD)$
RewriteRule ^/v2/ - [R=405,L]

RewriteRule ^/v2/?$ /v2/index.html [PT,L,E=downshift_json:1]

RewriteCond ${{downshift-tags:${{downshift-variants:%{{ENV:downshift_variant}}}}/$1:$2}} ^([^.]+)(.+)$
RewriteRule ^/v2/(.+)/manifests/({TAG})$ /objects/$1/%1/%1%2 [PT,L,E=downshift_digest:%1,E=downshift_by_tag:1]
"
    );
    for (extension, _) in site.types() {
        let _ = write!(
            text,
            "RewriteCond \"${{DOWNSHIFT_TREE}}/objects/$1/$2/$2.{extension}\" -f
RewriteRule ^/v2/(.+)/manifests/({DIGEST})$ /objects/$1/$2/$2.{extension} [PT,L,E=downshift_digest:$2,E=downshift_by_digest:1]
"
        );
    }
    let _ = write!(
        text,
        "RewriteRule ^/v2/.+/manifests/[^/]+$ - [R=404,L]

RewriteRule ^/v2/.+/blobs/({DIGEST})$ - [PT,L,E=downshift_digest:$1,E=downshift_blob:1]
RewriteRule ^/v2/(?:.+/tags/list|_catalog)$ - [PT,L,E=downshift_json:1]

Header always set Docker-Distribution-API-Version {API_VERSION}
Header set Docker-Content-Digest \"%{{downshift_digest}}e\" env=downshift_digest
Header set Cache-Control \"{BY_TAG}\" env=downshift_by_tag
Header set Cache-Control \"{BY_DIGEST}\" env=downshift_by_digest
Header set Cache-Control \"{BLOB}\" env=downshift_blob
Header set Cache-Control \"{BY_TAG}\" env=downshift_json
Header always set Vary \"{VARY}\" \"expr=%{{REQUEST_URI}} =~ m#^/(v2/.+/manifests|objects|errors/manifest)#\"
Header set Content-Type \"{JSON}\" env=downshift_json

SetEnvIf Request_URI \"^/v2/.+/(?:blobs|manifests)/\" no-gzip=1
<LocationMatch \"^/errors/\">
    ForceType \"{JSON}\"
</LocationMatch>
<LocationMatch \"^/(v2/.+/blobs|objects)/\">
    ForceType application/octet-stream
</LocationMatch>
"
    );
    for (extension, media_type) in site.types() {
        let _ = writeln!(
            text,
            "<LocationMatch \"^/objects/.+[.]{extension}$\">\n    ForceType {media_type}\n</LocationMatch>"
        );
    }
    for (pattern, problem) in [
        ("^/v2/", Problem::Path),
        ("^/v2/.+/manifests/", Problem::Manifest),
        ("^/v2/.+/blobs/sha", Problem::Blob),
        ("^/v2/.+/tags/list$", Problem::Name),
    ] {
        let _ = writeln!(
            text,
            "<LocationMatch \"{pattern}\">\n    ErrorDocument 404 /{}\n    ErrorDocument 405 /{}\n</LocationMatch>",
            problem.file(),
            Problem::Write.file()
        );
    }
    let _ =
        writeln!(text, "<LocationMatch \"^/v1/\">\n    ErrorDocument 404 \"{NO_V1}\\n\"\n</LocationMatch>");
    text.push_str(&v1(site));
    text
}

/// Version 1, for Docker before 1.6 alone.
fn v1(site: &Site<'_>) -> String {
    let variants = site.v1_variants();
    if variants.is_empty() {
        return String::new();
    }
    let variants = variants.join("|");
    let ping: String = v1_ping()
        .0
        .into_iter()
        .map(|(name, value)| format!("Header set {name} \"{value}\" env=downshift_v1_ping\n"))
        .collect();
    format!(
        "
# Docker before 1.6 pulls by version 1, and nobody else. Some engines do not say who they are where they ask whether it is there.
RewriteMap downshift-v1 \"txt:${{DOWNSHIFT_TREE}}/{V1_SIZES}\"
RewriteCond %{{ENV:downshift_variant}} !^(?:{variants})$
RewriteCond %{{HTTP_USER_AGENT}} {DOCKER} [OR]
RewriteCond %{{REQUEST_URI}} !^/v1/_ping$
RewriteRule ^/v1/ - [R=404,L]
RewriteRule ^/v1/_ping$ /{V1_FOLDER}/_ping [PT,L,E=downshift_v1:1,E=downshift_v1_ping:1]
RewriteRule ^/v1/repositories/(.+/(?:images|tags))$ /{V1_FOLDER}/%{{ENV:downshift_variant}}/$1 [PT,L,E=downshift_v1:1]
RewriteCond ${{downshift-v1:$1}} ^([0-9]+)$
RewriteRule ^/v1/images/([0-9a-f]+)/json$ /{V1_FOLDER}/images/$1/json [PT,L,E=downshift_v1:1,E=downshift_v1_size:%1]
RewriteRule ^/v1/images/([0-9a-f]+/(?:ancestry|json|layer))$ /{V1_FOLDER}/images/$1 [PT,L,E=downshift_v1:1]

{ping}Header set Cache-Control \"{NO_STORE}\" env=downshift_v1
Header set X-Docker-Size \"%{{downshift_v1_size}}e\" env=downshift_v1_size
SetEnvIf Request_URI \"^/v1/\" no-gzip=1
<LocationMatch \"^/{V1_FOLDER}/\">
    ForceType {V1_JSON}
    ErrorDocument 404 \"{NO_V1_IMAGE}\\n\"
</LocationMatch>
<LocationMatch \"^/{V1_FOLDER}/images/[^/]+/layer$\">
    ForceType application/octet-stream
</LocationMatch>
"
    )
}
