//! Object stores with a function before them: S3 behind CloudFront, and R2 behind a worker.
//!
//! An object has its headers from `headers.json`; what has to be found out is the key. For a tag that is `tags/VARIANT/NAME/_TAG`,
//! an object of its own.

use downshift_json::{array, string};

use super::site::{API_VERSION, JSON, Problem, Site, VARY};
use crate::rules::Rule;

/// The function that names the key for a request.
fn key_of(site: &Site<'_>) -> String {
    let rules = |rules: &[Rule]| {
        array(rules.iter().map(|rule| {
            let variant = rule.variant.as_deref().unwrap_or("-");
            array([string(&rule.pattern), string(variant)])
        }))
    };
    format!(
        r"// Which variant a client gets: the first pattern that fits its User-Agent counts, and else the first for its Accept.
const agents = {};
const accepts = {};

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
    const tag = /^\/v2\/(.+)\/manifests\/([^\/:]+)$/.exec(path);
    return tag ? `/tags/${{variantOf(userAgent, accept)}}/${{tag[1]}}/_${{tag[2]}}` : path;
}}
",
        rules(&site.rules.agents),
        rules(&site.rules.accepts)
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
    const digest = response.headers['x-amz-meta-docker-content-digest'];
    if (digest) response.headers['docker-content-digest'] = digest;
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
           \$value[\"docker-content-digest\"] // \"\"] | join(\"\t\")" headers.json |
    while IFS="$tab" read -r from to type control digest; do
        file=.$from
        # A tag is a link to a folder with one file.
        [ ! -d "$file" ] || file=$(echo "$file"/*)
        aws s3 cp --only-show-errors "$file" "$bucket$to" --content-type "$type" --cache-control "$control" \
            ${digest:+--metadata "docker-content-digest=$digest"}
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
// content-type, cache-control, and docker-content-digest as metadata.
{}
const error = (status, body) =>
    new Response(body, {{
        status,
        headers: {{ 'content-type': '{JSON}', 'docker-distribution-api-version': '{API_VERSION}', vary: '{VARY}' }},
    }});

export default {{
    async fetch(request, env) {{
        const path = decodeURIComponent(new URL(request.url).pathname);
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
        const digest = object.customMetadata?.['docker-content-digest'];
        if (digest) headers.set('docker-content-digest', digest);
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
