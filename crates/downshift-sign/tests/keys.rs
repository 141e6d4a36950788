//! Key files: every format that is read and written, and every way to be refused.

use downshift_sign::{GraviolaSigner, P256Signer, PrivateKey};

/// The id of the one key that all good files here hold.
const KID: &str = "TT5M:OZJY:F7AR:NZ6N:KHDS:TQYY:RKFQ:R7MR:LDQF:2XCH:CE44:IVZ3";

const SEC1: &str = "-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIETqaBch08Q2ReFFKP74T6EZmIrEERlxFW7wjdBo+JbEoAoGCCqGSM49
AwEHoUQDQgAE096xelmCV/99PK2xDrhbuPcQheKku81uF+IDUE1zypoVS+P65Grf
SxmtOws9FZKUfRp3MhqfAkQiF5zxit0sJg==
-----END EC PRIVATE KEY-----
";
const PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgROpoFyHTxDZF4UUo
/vhPoRmYisQRGXEVbvCN0Gj4lsShRANCAATT3rF6WYJX/308rbEOuFu49xCF4qS7
zW4X4gNQTXPKmhVL4/rkat9LGa07Cz0VkpR9GncyGp8CRCIXnPGK3Swm
-----END PRIVATE KEY-----
";
const JWK: &str = r#"{
    "crv": "P-256",
    "d": "ROpoFyHTxDZF4UUo_vhPoRmYisQRGXEVbvCN0Gj4lsQ",
    "kid": "TT5M:OZJY:F7AR:NZ6N:KHDS:TQYY:RKFQ:R7MR:LDQF:2XCH:CE44:IVZ3",
    "kty": "EC",
    "x": "096xelmCV_99PK2xDrhbuPcQheKku81uF-IDUE1zypo",
    "y": "FUvj-uRq30sZrTsLPRWSlH0adzIanwJEIhec8YrdLCY"
}"#;

fn pem(tag: &str, content: &str) -> String {
    format!("-----BEGIN {tag}-----\n{content}\n-----END {tag}-----\n")
}

/// The parameters of P-256, as openssl writes them before a key.
fn parameters() -> String {
    pem("EC PARAMETERS", "BggqhkjOPQMBBw==")
}

#[track_caller]
fn assert_read(file: &str) {
    assert_eq!(PrivateKey::parse(file.as_bytes()).unwrap().public_key().kid(), KID);
}

#[track_caller]
fn assert_refused(file: &str, code: &str, cause: &str) {
    let error = PrivateKey::parse(file.as_bytes()).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (code, cause));
}

#[test]
fn every_format_gives_the_same_key() {
    assert_read(SEC1);
    assert_read(PKCS8);
    assert_read(JWK);
}

#[test]
fn the_public_point_of_a_pem_may_be_compressed_or_missing() {
    let compressed = "MFcCAQEEIETqaBch08Q2ReFFKP74T6EZmIrEERlxFW7wjdBo+JbEoAoGCCqGSM49\n\
                      AwEHoSQDIgAC096xelmCV/99PK2xDrhbuPcQheKku81uF+IDUE1zypo=";
    assert_read(&pem("EC PRIVATE KEY", compressed));
    let missing = "MDECAQEEIETqaBch08Q2ReFFKP74T6EZmIrEERlxFW7wjdBo+JbEoAoGCCqGSM49\nAwEH";
    assert_read(&pem("EC PRIVATE KEY", missing));
}

#[test]
fn what_openssl_and_libtrust_add_to_a_pem_is_skipped() {
    assert_read(&format!("{}{SEC1}", parameters()));
    let begin = "-----BEGIN EC PRIVATE KEY-----\n";
    assert_read(&SEC1.replace(begin, &format!("{begin}keyID: {KID}\nhosts: a,b\n\n")));
}

#[test]
fn a_jwk_may_lack_its_key_id_and_have_other_members() {
    assert_read(&JWK.replace("\"kid\"", "\"hosts\": [\"a\"], \"comment\""));
}

#[test]
fn line_breaks_of_windows_and_text_around_a_key_do_not_matter() {
    assert_read(&format!("a comment\n{PKCS8}and another").replace('\n', "\r\n"));
    assert_read(&format!("\r\n\t {JWK}\n"));
}

#[test]
fn keys_are_written_as_libtrust_and_openssl_write_them() {
    let key = PrivateKey::parse(PKCS8.as_bytes()).unwrap();
    assert_eq!(*key.to_jwk(), JWK);
    assert_eq!(*key.to_sec1_pem(), SEC1);
}

#[test]
fn a_generated_key_can_be_read_back_and_is_new() {
    let key = PrivateKey::generate().unwrap();
    let read = PrivateKey::parse(key.to_jwk().as_bytes()).unwrap();
    assert_eq!(read.public_key(), key.public_key());
    assert_ne!(PrivateKey::generate().unwrap().public_key(), key.public_key());
}

#[test]
fn debug_shows_nothing_but_the_key_id() {
    let key = PrivateKey::parse(JWK.as_bytes()).unwrap();
    assert_eq!(format!("{key:?}"), format!("PrivateKey {{ kid: \"{KID}\", .. }}"));
}

#[test]
fn files_without_a_private_key_are_refused() {
    for file in ["", "\0garbage", "-----BEGI"] {
        assert_refused(file, "unknown-key-format", "the key file is neither PEM nor JWK");
    }
    let public_jwk = JWK.replace("\"d\"", "\"e\"");
    for file in [pem("PUBLIC KEY", "MAA="), parameters(), public_jwk] {
        assert_refused(&file, "no-private-key", "there is no private key in the file");
    }
}

#[test]
fn a_file_beyond_the_limit_is_refused() {
    assert_read(&format!("{JWK:16384}"));
    let cause = "the key file has `16385` bytes, more than the limit of `16384`";
    assert_refused(&format!("{JWK:16385}"), "key-too-long", cause);
}

#[test]
fn encrypted_keys_are_refused() {
    let headers = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAA=";
    for file in [pem("ENCRYPTED PRIVATE KEY", "MAA="), pem("EC PRIVATE KEY", headers)] {
        assert_refused(&file, "encrypted-key", "the private key is encrypted");
    }
}

#[test]
fn keys_of_other_kinds_are_refused_by_name() {
    let p384 = "MD4CAQEEMCBm8va2rP4Jgh22QtTf4ZTd5GezXuk7BzE6p66a0P/ZVlxgL7LJZeXi\n\
                TMF/GpF9gKAHBgUrgQQAIg==";
    let secp256k1 = "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgxh2Cx1WQ3tYf2MAXO0tj\n\
                     OdFhRqstAWFxPWY/EstD6JqhRANCAAQ0xWBt/d1bHyTpZtCijZNasO+t/pl7wo+z\n\
                     fXgvtSzmcYkyuVxghzPGyCrkLA1++0k4qxbavq3x+SHxTrN8ooWh";
    let ed25519 = "MC4CAQAwBQYDK2VwBCIEIDAviY8vAOj6Q8NWn38JZQxQDHZ0ZGN0/4n9FlwkOdyJ";
    for (file, kind) in [
        (pem("EC PRIVATE KEY", p384), "P-384"),
        (pem("PRIVATE KEY", secp256k1), "secp256k1"),
        (pem("PRIVATE KEY", ed25519), "Ed25519"),
        (pem("RSA PRIVATE KEY", "MAA="), "RSA"),
        (pem("OPENSSH PRIVATE KEY", "MAA="), "OPENSSH"),
        (JWK.replace("P-256", "P-521"), "P-521"),
        (r#"{"kty": "RSA", "crv": "P-256"}"#.to_owned(), "RSA"),
    ] {
        assert_refused(&file, "unsupported-key", &format!("the key is a `{kind}` key, not a P-256 key"));
    }
}

#[test]
fn a_message_stays_on_one_line_and_short_whatever_the_file_says() {
    let tag = format!("A\n\u{1b}{} PRIVATE KEY", "B".repeat(1000));
    let cause = format!("the key is a `A\\n\\u{{1b}}{}…` key, not a P-256 key", "B".repeat(125));
    assert_refused(&pem(&tag, "MAA="), "unsupported-key", &cause);
}

#[test]
fn broken_keys_are_refused() {
    let order_of_the_curve = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
    let d = "ROpoFyHTxDZF4UUo_vhPoRmYisQRGXEVbvCN0Gj4lsQ";
    for (file, cause) in [
        (SEC1.replace("-----END", ""), "PEM key cannot be read: a block is incomplete, or not base64"),
        (SEC1.replace("MHcC", "MH?C"), "PEM key cannot be read: a block is incomplete, or not base64"),
        (SEC1.replace("MHcC", "MHcD"), "SEC1 key cannot be read: it is not a private key on a named curve"),
        (PKCS8.replace("MIGH", "MIGI"), "PKCS#8 key cannot be read: it is not a private key"),
        ("{".to_owned(), "JWK key cannot be read: it is not a JSON object with the members of a key"),
        (JWK.replace("\"ROpo", "\"ROp"), "JWK key cannot be read: `d` is not 32 bytes in base64url"),
        (JWK.replace("096x", "096+"), "JWK key cannot be read: `x` is not 32 bytes in base64url"),
        (JWK.replace("\"y\"", "\"z\""), "JWK key cannot be read: `y` is not 32 bytes in base64url"),
        (JWK.replace("096x", "096y"), "JWK key cannot be read: the public point is not on the curve"),
        (
            JWK.replace(d, order_of_the_curve),
            "JWK key cannot be read: the private number is not in the curve's range",
        ),
    ] {
        assert_refused(&file, "invalid-key", &format!("the {cause}"));
    }
}

#[test]
fn a_public_key_or_key_id_that_is_of_another_key_is_refused() {
    let cause = "the public key in the file is not that of the private key";
    assert_refused(&JWK.replace("\"ROpo", "\"ROpp"), "key-pair-mismatch", cause);
    assert_refused(&SEC1.replace("IETqaB", "IETraB"), "key-pair-mismatch", cause);

    let cause =
        format!("the file gives the key id `{}`, but the key has `{KID}`", KID.replace("TT5M", "TT5N"));
    assert_refused(&JWK.replace("TT5M", "TT5N"), "key-id-mismatch", &cause);
}

/// Computed with Python's `hmac`, twice: over the purpose with the private number as the key, and over the message with that.
#[test]
fn codes_are_those_of_the_key_and_the_message() {
    let key = PrivateKey::parse(JWK.as_bytes()).unwrap();
    let code = P256Signer::new(&key).mac(b"message");
    assert_eq!(
        base16ct::lower::encode_string(&code),
        "b1db699919a8b64c036d0fec11d139f811aa576255ef730ac9b00fc612bba571"
    );
    assert_eq!(GraviolaSigner::new(&PrivateKey::parse(SEC1.as_bytes()).unwrap()).mac(b"message"), code);
    assert_ne!(P256Signer::new(&key).mac(b"another message"), code);
    assert_ne!(P256Signer::new(&PrivateKey::generate().unwrap()).mac(b"message"), code);
}
