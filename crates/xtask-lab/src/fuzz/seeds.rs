//! What the fuzz targets start from: the suite's images and vectors, and what clients, registries and operators write.

use std::fs;
use std::path::Path;

use anyhow::Context;

use downshift_cases::fixed_key::FixedKey;
use downshift_cases::images::sample;
use downshift_cases::vectors::{self, Expected};
use downshift_sign::PrivateKey;

/// Bytes of a seed. The fuzzer makes no longer inputs than the longest.
const MAX_BYTES: usize = 32 * 1024;

/// Requests as clients send them, and some that nobody should.
const REQUESTS: &[&str] = &[
    "GET /v2/",
    "HEAD /",
    "GET /v2",
    "GET /v2/library/sample/manifests/schema2\nHost: localhost:5000\nUser-Agent: docker/1.9.1 go/go1.4.3 git-commit/a34a1d5 kernel/4.2.0 os/linux arch/amd64",
    "GET /v2/library/sample/manifests/latest\nAccept: application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json;q=0.5, */*;q=0.1\nIf-None-Match: W/\"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\", \"x\"",
    "HEAD /v2/library/sample/manifests/oci\nAccept: application/vnd.oci.image.manifest.v1+json\nAccept: application/vnd.oci.image.index.v1+json\nAuthorization: Basic YWxpY2U6d29uZGVyIGxhbmQ=",
    "GET /v2/library/sample/manifests/sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\nAuthorization: Bearer abc.def",
    "GET /v2/library/sample/blobs/sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4\nRange: bytes=3-5\nIf-Range: \"sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4\"",
    "GET /v2/library/sample/blobs/sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\nRange: bytes=-500",
    "GET /v2/library/sample/tags/list?n=2&last=latest",
    "GET /v2/library/sample/tags/list?n=18446744073709551615",
    "GET /v2/library/sample/referrers/sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881?artifactType=a%2Fb",
    "GET /v2/_catalog?n=2&last=library/sample",
    "GET /v2/_catalog?_origin=hub&n=2&next_page=x%3D",
    "GET /_downshift/token?service=downshift&scope=repository:library/sample:pull",
    "GET /v1/repositories/library/sample/images\nUser-Agent: docker/1.7.1 go/go1.4.2",
    "PUT /v2/library/sample/manifests/latest\nContent-Length: 2",
    "POST /v2/library/sample/blobs/uploads/\nTransfer-Encoding: chunked\nContent-Length: 3",
    "GET /v2/..%2f..%2f.secret/manifests/latest",
    "GET /v2/library/sample%0d%0aX-Injected:1/manifests/latest",
    "GET /v2/library/sample/manifests/latest\nHost: a\" realm=\"b",
];

/// What stands in headers, queries and answers, each with the byte by which the target tells them apart.
const HEADERS: &[(u8, &str)] = &[
    (
        0,
        "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull\"",
    ),
    (0, "Negotiate abc==, Basic realm=\"a\\\"b\"\nBasic"),
    (1, "</v2/a/tags/list?n=10&last=1.0>; rel=\"next\""),
    (1, "<https://a/?x,y>; rel=prev, <https://a/?next_page=x%3D>; rel=\"first next\""),
    (2, "bytes 0-499/1234"),
    (2, "bytes */1234"),
    (
        3,
        "{\"token\":\"abc\",\"access_token\":\"def\",\"expires_in\":300,\"issued_at\":\"2020-01-01T00:00:00Z\"}",
    ),
    (4, "service=a%20b&scope=repository:a/b:pull,push+repository:c:pull&account=x"),
    (5, "mirror\nteam\nmirror/app"),
    (5, "\n\nhttpd"),
    (6, "docker/1.9.1 go/go1.4.3 git-commit/a34a1d5 kernel/4.2.0 os/linux arch/amd64"),
    (6, "application/vnd.oci.image.manifest.v1+json;q=0.5\n*/*;q=0\napplication/*"),
    (7, "registry.example.org:5000"),
];

/// Files that operators write, each with the byte by which the target tells them apart.
const FILES: &[(u8, &str)] = &[
    (
        0,
        "[[upstream]]\nurl = \"docker.io\"\nlibrary = true\ntimeout = 5\n\n[[upstream]]\nurl = \"http://localhost:5000/v2/\"\nprefix = \"mirror\"\nremote-prefix = \"team\"\nblobs = \"redirect\"\n",
    ),
    (0, "[[upstream]]\nurl = \"https://a\"\nusername = \"a\"\npassword = \"hunter2\"\n"),
    (
        1,
        "{\"auths\":{\"https://registry.example.org/v1/\":{\"auth\":\"YTpodW50ZXIy\"},\"quay.io\":{\"username\":\"a\",\"password\":\"hunter2\"}},\"credsStore\":\"x\",\"credHelpers\":{\"registry.example.org\":\"y\"}}",
    ),
    (1, "{\"auths\":{\"registry.example.org\":{\"identitytoken\":\"hunter2\"}}}"),
    (1, "{\"auths\":{\"registry.example.org\":{\"auth\":7,\"password\":\"hunter2\"}}}"),
    (2, "# users\nalice:$2y$05$abcdefghijklmnopqrstuu5Fv8gPZ8Ia9p0wX3N0zjEw1Zl3Vt9mK\nbob:$2b$05$x\n"),
    (2, "alice:hunter2\n"),
    (3, "hunter2\n"),
    (3, "\nhunter2"),
];

/// The suite's key, in the format that it has no file of.
const PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgROpoFyHTxDZF4UUo
/vhPoRmYisQRGXEVbvCN0Gj4lsShRANCAATT3rF6WYJX/308rbEOuFu49xCF4qS7
zW4X4gNQTXPKmhVL4/rkat9LGa07Cz0VkpR9GncyGp8CRCIXnPGK3Swm
-----END PRIVATE KEY-----
";

/// The same few words in every compression, by the programs of that name.
const LAYERS: &[&[u8]] = &[
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03KT\xc8I\xacL-\xd2QH\x843\xf2R\x808\xbf$#\xb5\x08\"\xc4\x05\0\x19\
        W\xdf\x08$\0\0\0",
    b"(\xb5/\xfd\x04X\x05\x01\0\xd0a layer, nd another layer\n\x01\0\xdc\xca\x11\x0dg\xb4q",
    b"BZh91AY&SY\xff\xfc_0\0\0\x04\xd1\x80\0\x10@\x04&E\x94  \0!%\x1az\x8d4\xd0\x80h\x02\xa0yf\x0d\
        5+\xb7X-\xa9\x1f\x82\xe1|]\xc9\x14\xe1BC\xff\xf1|\xc0",
    b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F\x02\0!\x01\x16\0\0\0t/\xe5\xa3\xe0\0#\0\x1b]\x000\x88\x09\x86T\xa0\
        \x866\xad\xe0\x1d\x8e\x8e#+\xab\x19t\x9e\x1b\xcd\xe7K\xd81\x80\0\0\0d\x0d\xcd\x01\x04(},\0\x01\
        7$\xce\xf1\x82\x8c\x1f\xb6\xf3}\x01\0\0\0\0\x04YZ",
];

const WORDS: &[&str] = &[
    "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4",
    "2024-05-14T09:30:21.123456789Z",
    "2016-02-29T23:59:59,5+14:00",
    "1970-01-01T0:00:00-+1:-2",
    "9999-12-31T23:59:59Z",
    "linux/arm/v7",
    "reference",
    "application/vnd.oci.image.manifest.v1+json",
    "library/a.b__c---d/0",
    "v1.0-rc.1",
    "index.docker.io",
    "document-bytes",
];

/// Writes what `target` starts from into `folder`.
pub(super) fn write(target: &str, folder: &Path) -> anyhow::Result<()> {
    let seeds: Vec<Vec<u8>> = match target {
        "config" => plain()?,
        // Where the first byte is even, what follows is the same.
        "guest" => plain()?.into_iter().map(|seed| [&[0], seed.as_slice()].concat()).collect(),
        "json" => documents()?,
        "documents" | "jws" => [documents()?, signed()?].concat(),
        "keys" => keys()?,
        "layer" => layers(),
        "referrers" => referrers(),
        "requests" => REQUESTS.iter().map(|text| text.as_bytes().to_vec()).collect(),
        "server" => REQUESTS.iter().map(|text| on_the_wire(text)).collect(),
        "headers" => HEADERS.iter().map(told_apart).collect(),
        "settings" => FILES.iter().map(told_apart).collect(),
        "text" => words(),
        // Choices that no document stands for.
        _ => Vec::new(),
    };
    for (number, seed) in seeds.iter().filter(|seed| seed.len() <= MAX_BYTES).enumerate() {
        write_seed(folder, &format!("{number:04}"), seed)?;
    }
    Ok(())
}

fn told_apart(&(kind, text): &(u8, &str)) -> Vec<u8> {
    [&[kind], text.as_bytes()].concat()
}

/// A request with its version and a host.
fn on_the_wire(request: &str) -> Vec<u8> {
    let (line, headers) = request.split_once('\n').unwrap_or((request, ""));
    format!("{line} HTTP/1.1\nHost: localhost:5000\n{headers}\n\n").replace("\n\n\n", "\n\n").into_bytes()
}

/// A query, an index under the referrers tag, an artifact, and an index that leads to another.
fn referrers() -> Vec<Vec<u8>> {
    let subject = sample::oci().manifest.digest();
    let descriptor = format!("{{\"mediaType\":\"a/b\",\"digest\":\"{subject}\",\"size\":7}}");
    let index = format!("{{\"schemaVersion\":2,\"manifests\":[{descriptor}]}}");
    let artifact = format!(
        "{{\"artifactType\":\"a/b\",\"annotations\":{{\"c\":\"d\"}},\"config\":{descriptor},\"subject\":{descriptor}}}"
    );
    let queries = ["", "artifactType=a%2Fb"];
    queries.map(|query| [query.as_bytes(), index.as_bytes(), artifact.as_bytes()].join(&0xff)).into()
}

fn words() -> Vec<Vec<u8>> {
    WORDS.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Layers of one part and of two, with two bytes before them that choose how they come: see `fuzz/fuzz_targets/layer.rs`.
fn layers() -> Vec<Vec<u8>> {
    let of = |count| move |layer: &&[u8]| [&[7, 7][..], &layer.repeat(count)].concat();
    LAYERS.iter().map(of(1)).chain(LAYERS.iter().map(of(2))).collect()
}

/// Manifests and configs.
fn documents() -> anyhow::Result<Vec<Vec<u8>>> {
    let images = sample::in_every_form().map(|(_, image)| image);
    let images = images.into_iter().chain([sample::zstd(), sample::zstd_schema2()]);
    let mut all: Vec<_> = images.flat_map(|image| image.documents().into_values()).collect();
    all.retain(|document| document.starts_with(b"{"));
    for vector in vectors::read_all()? {
        all.extend(vector.documents()?.into_values());
    }
    Ok(all)
}

/// Schema 1, signed and unsigned.
fn signed() -> anyhow::Result<Vec<Vec<u8>>> {
    let FixedKey { cases, format_cases, .. } = FixedKey::read()?;
    let mut all: Vec<Vec<u8>> = cases.into_iter().map(|case| case.signed.into_bytes()).collect();
    all.extend(format_cases.iter().map(|case| case.signed.clone().into_bytes()));
    all.extend(format_cases.into_iter().map(|case| case.payload.into_bytes()));
    for vector in vectors::read_all()? {
        if let Expected::Payload(payload) = vector.expected()? {
            all.push(payload);
        }
    }
    Ok(all)
}

/// Documents with a byte before them that chooses what is asked, and of what: see `fuzz/src/images.rs`.
fn plain() -> anyhow::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for (number, document) in documents()?.into_iter().chain(signed()?).enumerate() {
        let kinds: &[u8] = if is_manifest(&document) { &[5, 6, 7] } else { &[0, 1, 2, 3, 4] };
        let asked = u8::try_from(number % 32)?;
        let kind = kinds[number / 4 % kinds.len()];
        all.push([&[kind << 5 | asked], document.as_slice()].concat());
    }
    Ok(all)
}

fn is_manifest(document: &[u8]) -> bool {
    String::from_utf8_lossy(document).contains("schemaVersion")
}

/// One key in every format that is read.
fn keys() -> anyhow::Result<Vec<Vec<u8>>> {
    let pem = FixedKey::read()?.pem().as_bytes().to_vec();
    let jwk = PrivateKey::parse(&pem)?.to_jwk().as_bytes().to_vec();
    Ok(vec![pem, jwk, PKCS8.as_bytes().to_vec()])
}

/// Writes a file of what a target starts from.
fn write_seed(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::write(&path, bytes).with_context(|| format!("`{}` cannot be written", path.display()))
}
