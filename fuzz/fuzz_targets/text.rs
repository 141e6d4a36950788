//! What is a word: digests, times, platforms, policies, forms, names, tags and numbers of limits.

#![no_main]

use downshift::{Digest, Form, Limits, Platform, Policy, Timestamp, fuzzing};
use downshift_registry::{Reference, is_repository_name, is_tag, registry_host};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else {
        assert!(fuzzing::go_time(bytes).is_none(), "a time is ASCII");
        return;
    };
    if let Ok(digest) = Digest::parse(text) {
        assert_eq!(digest.to_string(), text);
        assert_eq!(format!("{}:{}", digest.algorithm(), digest.hex()), text);
        assert!(digest.hex().bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));
        assert_eq!(Reference::parse(text), Some(Reference::Digest(digest)));
    }
    is_time(text);
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string(), text);
        assert!(platform.accepts(&platform));
    }
    if let Ok(policy) = text.parse::<Policy>() {
        assert_eq!(policy.to_string(), text);
    }
    if let Some(form) = Form::from_media_type(text) {
        assert!(form.media_type().eq_ignore_ascii_case(text) && form.sibling().sibling() == form);
    }
    // No name or tag leads out of a folder, a path, a header or a line.
    let is_harmless =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    if is_repository_name(text) {
        assert!(is_harmless(text) && text.len() <= 255 && !text.is_empty());
        assert!(
            text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.contains(".."))
        );
    }
    if is_tag(text) {
        assert!(is_harmless(text) && text.len() <= 128 && !text.starts_with('.') && !text.contains('/'));
        assert_eq!(Reference::parse(text), Some(Reference::Tag(text.to_owned())));
    }
    assert_eq!(registry_host(&registry_host(text)), registry_host(text));
    let _ = Limits::default().set(text, 1);
});

fn is_time(text: &str) {
    if let Ok(time) = text.parse::<Timestamp>() {
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(Timestamp::from_seconds(time.seconds()), Some(time));
        assert_eq!(time.to_string().len(), 20);
    }
    if let Some((written, time)) = fuzzing::go_time(text.as_bytes()) {
        match fuzzing::go_time(written.as_bytes()) {
            Some(again) => assert_eq!(again, (written, time)),
            // Go writes offsets of a hundred hours, and does not read them.
            None => assert!(
                written.rsplit(['+', '-']).next().is_some_and(|offset| offset.len() == 6),
                "{written}"
            ),
        }
    }
}
