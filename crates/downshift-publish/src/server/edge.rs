//! Object stores with a function before them: S3 behind CloudFront, and R2 behind a worker.
//!
//! An object has its headers from `headers.json`; what has to be found out is the key. For a tag that is `tags/VARIANT/NAME/_TAG`,
//! an object of its own.

use downshift_json::{array, string};

use super::site::{API_VERSION, JSON, Problem, Site, V1_FOLDER, VARY, v1_ping};
use crate::rules::Rule;

/// The function that names the key for a request.
fn key_of(site: &Site<'_>) -> String {
    let rules = |rules: &[Rule]| {
        array(rules.iter().map(|rule| {
            let variant = rule.variant_name();
            array([string(&rule.pattern), string(variant)])
        }))
    };
    let reported = v1_ping().0.into_iter().map(|(name, _)| string(name));
    let reported = ["docker-content-digest", "x-docker-size"].map(string).into_iter().chain(reported);
    format!(
        r"// Which variant a client gets: the first pattern that fits its User-Agent counts, and else the first for its Accept.
const agents = {};
const accepts = {};
// What an object's metadata say, as headers.
const reported = {};

function variantOf(userAgent, accept) {{
    for (const [pattern, variant] of agents) {{
        if (new RegExp(pattern).test(userAgent)) return variant;
    }}
    for (const [pattern, variant] of accepts) {{
        if (new RegExp(pattern, 'i').test(accept)) return variant;
    }}
    return '-';
}}

// The key of what a path stands for.
function keyOf(path, userAgent, accept) {{
    if (path === '/v2/') return '/v2/index.html';
{}    const tag = /^\/v2\/(.+)\/manifests\/([^\/:]+)$/.exec(path);
    return tag ? `/tags/${{variantOf(userAgent, accept)}}/${{tag[1]}}/_${{tag[2]}}` : path;
}}
",
        rules(&site.rules.agents),
        rules(&site.rules.accepts),
        array(reported),
        v1(site)
    )
}

/// Version 1, for Docker before 1.6 alone. Some engines do not say who they are where they ask whether it is there.
fn v1(site: &Site<'_>) -> String {
    let variants = site.v1_variants();
    if variants.is_empty() {
        return String::new();
    }
    format!(
        r"    if (path.startsWith('/v1/')) {{
        const variant = variantOf(userAgent, accept);
        const isV1 = {}.includes(variant);
        if (path === '/v1/_ping') return isV1 || !userAgent.startsWith('docker/') ? '/{V1_FOLDER}/_ping' : path;
        if (!isV1) return path;
        const list = /^\/v1\/repositories\/(.+\/(?:images|tags))$/.exec(path);
        const image = /^\/v1\/(images\/[0-9a-f]+\/(?:ancestry|json|layer))$/.exec(path);
        if (list) return `/{V1_FOLDER}/${{variant}}/${{list[1]}}`;
        return image ? `/{V1_FOLDER}/${{image[1]}}` : path;
    }}
",
        array(variants.into_iter().map(string))
    )
}

/// One function for both of CloudFront's events: `viewer-request` and `viewer-response`.
pub(super) fn cloudfront(site: &Site<'_>) -> String {
    format!(
        r"// A registry made of files in S3. Associate this CloudFront function (runtime cloudfront-js-2.0) with the viewer's request and
// with the viewer's response.
{}
function lines(header) {{
    if (!header) return '';
    return header.multiValue ? header.multiValue.map((line) => line.value).join(', ') : header.value;
}}

function handler(event) {{
    if (event.context.eventType === 'viewer-request') {{
        const request = event.request;
        const {{ 'user-agent': userAgent, accept }} = request.headers;
        request.uri = keyOf(request.uri, lines(userAgent), lines(accept));
        return request;
    }}
    const response = event.response;
    for (const name of reported) {{
        const value = response.headers[`x-amz-meta-${{name}}`];
        if (value) response.headers[name] = value;
    }}
    response.headers['docker-distribution-api-version'] = {{ value: '{API_VERSION}' }};
    response.headers['vary'] = {{ value: '{VARY}' }};
    return response;
}}
",
        key_of(site)
    )
}

/// Uploads the tree. What is there by digest goes first, so that no tag leads to what is not there.
pub(super) const fn upload() -> &'static str {
    r#"#!/bin/sh
# Copies the tree that this script is in into a bucket: sh cloudfront/upload.sh s3://BUCKET
# It needs aws and jq. What is there by digest goes first, so that no tag leads to what is not there yet.
set -eu
bucket=$1
cd "$(dirname "$0")/.."
tab=$(printf '\t')
copy() {
    jq -r --slurpfile rules rules.json "to_entries[] | select(.key | test(\"/sha(256|384|512):\") | $1)
        | .key as \$from | .value as \$value
        | ((.key | capture(\"^/tags/(?<variant>[^/]+)(?<rest>/.*)\")) as \$tag
            | \$rules[0].variants[] | select(.name == \$tag.variant) | .clients[] | \"/tags/\(.)\(\$tag.rest)\")
          // \$from
        | [\$from, ., \$value[\"content-type\"], \$value[\"cache-control\"] // \"no-cache\",
           (\$value | to_entries | map(select(.key | test(\"^(docker-content-digest|x-docker-.*)$\")) | \"\(.key)=\(.value)\")
            | join(\",\"))] | join(\"\t\")" headers.json |
    while IFS="$tab" read -r from to type control metadata; do
        file=.$from
        # A tag is a link to a folder with one file.
        [ ! -d "$file" ] || file=$(echo "$file"/*)
        aws s3 cp --only-show-errors "$file" "$bucket$to" --content-type "$type" --cache-control "$control" \
            ${metadata:+--metadata "$metadata"}
    done
}
copy .
copy not
"#
}

/// A worker for R2.
pub(super) fn worker(site: &Site<'_>) -> String {
    format!(
        r"// A registry made of files in R2, as a worker. Bind the bucket as BUCKET. Objects have the headers that upload gave them:
// content-type, cache-control, and what else there is as metadata.
{}
const error = (status, body) =>
    new Response(body, {{
        status,
        headers: {{ 'content-type': '{JSON}', 'docker-distribution-api-version': '{API_VERSION}', vary: '{VARY}' }},
    }});

export default {{
    async fetch(request, env) {{
        let path = new URL(request.url).pathname;
        try {{
            path = decodeURIComponent(path);
        }} catch {{
            // No object is called so.
        }}
        if (request.method !== 'GET' && request.method !== 'HEAD') return error(405, `{}`);
        const agent = request.headers.get('user-agent') ?? '';
        const key = keyOf(path, agent, request.headers.get('accept') ?? '').slice(1);
        const isHead = request.method === 'HEAD';
        const object = isHead ? await env.BUCKET.head(key) : await env.BUCKET.get(key, {{ range: request.headers }});
        if (!object) return error(404, path.includes('/blobs/') ? `{}` : `{}`);
        const headers = new Headers();
        object.writeHttpMetadata(headers);
        headers.set('etag', object.httpEtag);
        headers.set('docker-distribution-api-version', '{API_VERSION}');
        headers.set('vary', '{VARY}');
        headers.set('accept-ranges', 'bytes');
        for (const name of reported) {{
            const value = object.customMetadata?.[name];
            if (value) headers.set(name, value);
        }}
        const part = request.headers.has('range') && object.range;
        const start = part ? (object.range.offset ?? object.size - object.range.suffix) : 0;
        const length = part ? (object.range.length ?? object.size - start) : object.size;
        headers.set('content-length', String(length));
        if (part) headers.set('content-range', `bytes ${{start}}-${{start + length - 1}}/${{object.size}}`);
        return new Response(isHead ? null : object.body, {{ status: part ? 206 : 200, headers }});
    }},
}};
",
        key_of(site),
        Problem::Write.body(),
        Problem::Blob.body(),
        Problem::Manifest.body()
    )
}
