//! An issuer's token lets somebody in when everything of it is right, and each
//! single thing that is not keeps them out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers outside of #[test] functions are tests too"
)]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use iryonet_domain::UnixMillis;
use iryonet_people::issuer::Keys;
use iryonet_people::issuer::keys::Unverified;
use iryonet_people::issuer::token::{self, TokenError, Wanted};
use iryonet_registry::Login;
use serde_json::{Value, json};

const NOW_S: u64 = 1_756_000_000;
const NOW: UnixMillis = UnixMillis(NOW_S * 1_000);
const ISSUER: &str = "https://login.example.jp";

fn b64(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

enum Pen {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
}

impl Pen {
    fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Rsa(key) => {
                // RSAPublicKey (RFC 8017, A.1.1) of 2048 bits: two heads and a
                // zero, the modulus, and at the end the exponent 65537.
                let der = key.public_key().as_ref();
                assert_eq!(der.len(), 270);
                json!({"kty": "RSA", "kid": kid, "use": "sig",
                    "n": b64(&der[9..265]), "e": b64(&der[267..])})
            }
            Self::P256(key) => Self::point("P-256", kid, key.public_key().as_ref()),
            Self::P384(key) => Self::point("P-384", kid, key.public_key().as_ref()),
        }
    }

    fn point(curve: &str, kid: &str, octets: &[u8]) -> Value {
        let (x, y) = octets[1..].split_at((octets.len() - 1) / 2);
        json!({"kty": "EC", "crv": curve, "kid": kid, "x": b64(x), "y": b64(y)})
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let rng = SystemRandom::new();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
                    "PS256" => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                key.sign(padding, &rng, message, &mut signature).unwrap();
                signature
            }
            Self::P256(key) | Self::P384(key) => key.sign(&rng, message).unwrap().as_ref().to_vec(),
        }
    }
}

fn rsa() -> Pen {
    Pen::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

fn p256() -> Pen {
    Pen::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
}

fn signed(pen: &Pen, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
    let algorithm = header["alg"].as_str().unwrap();
    let signature = pen.sign(algorithm, message.as_bytes());
    format!("{message}.{}", b64(signature))
}

fn keys(set: &[Value]) -> Keys {
    Keys::read(json!({"keys": set}).to_string().as_bytes()).unwrap()
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "248289761001", "aud": "iryonet", "nonce": "n-0S6_WzA2Mj",
        "exp": NOW_S + 300, "iat": NOW_S - 1, "auth_time": NOW_S - 30,
        "acr": "urn:mfa", "amr": ["pwd", "otp"],
        "email": "kuroda@example.jp", "roles": ["security-officer"],
    })
}

struct Setting {
    acr: Vec<String>,
    amr: Vec<String>,
}

impl Setting {
    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            issuer: ISSUER,
            client_id: "iryonet",
            nonce: "n-0S6_WzA2Mj",
            acr: &self.acr,
            amr: &self.amr,
            max_age_s: 600,
        }
    }
}

fn setting() -> Setting {
    Setting {
        acr: vec!["urn:mfa".to_owned()],
        amr: vec!["otp".to_owned(), "hwk".to_owned()],
    }
}

#[test]
fn a_right_token_names_issuer_and_subject_by_each_algorithm() {
    let p384 = Pen::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap());
    let (rsa, p256) = (rsa(), p256());
    let set = keys(&[
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "new", "x": "AA"}),
        json!({"nonsense": true}),
        rsa.jwk("r"),
        p256.jwk("2"),
        p384.jwk("3"),
    ]);
    let setting = setting();
    for (pen, algorithm, kid) in [
        (&rsa, "RS256", "r"),
        (&rsa, "PS256", "r"),
        (&p256, "ES256", "2"),
        (&p384, "ES384", "3"),
    ] {
        let token = signed(pen, &json!({"alg": algorithm, "kid": kid}), &claims());
        assert_eq!(
            token::check(&token, &set, &setting.wanted(), NOW).unwrap(),
            Login {
                issuer: ISSUER.to_owned(),
                subject: "248289761001".to_owned()
            },
            "{algorithm}"
        );
        // Not for a name that is the key's no more, nor with a key of another kind.
        let token = signed(pen, &json!({"alg": algorithm, "kid": "old"}), &claims());
        let error = token::check(&token, &set, &setting.wanted(), NOW).unwrap_err();
        assert!(
            matches!(error, TokenError::Unverified(Unverified::UnknownKey)),
            "{error}"
        );
    }
}

#[test]
fn each_wrong_thing_keeps_out() {
    let pen = p256();
    let set = keys(&[pen.jwk("k")]);
    let setting = setting();
    let tried = |with: &dyn Fn(&mut Value)| {
        let mut claims = claims();
        with(&mut claims);
        let token = signed(&pen, &json!({"alg": "ES256", "kid": "k"}), &claims);
        token::check(&token, &set, &setting.wanted(), NOW)
    };
    tried(&|_| {}).unwrap();
    tried(&|it| it["aud"] = json!(["iryonet"])).unwrap();
    tried(&|it| it["azp"] = json!("iryonet")).unwrap();
    tried(&|it| it["exp"] = json!(NOW_S as f64 - 59.5)).unwrap();
    tried(&|it| it["iat"] = json!(NOW_S + 59)).unwrap();
    for (named, value, word) in [
        ("iss", json!("https://login.example.jp/"), "iss"),
        ("iss", json!(null), "malformed"),
        ("aud", json!("another"), "aud"),
        ("aud", json!([]), "aud"),
        ("aud", json!(["iryonet", "another"]), "aud"),
        ("azp", json!("another"), "azp"),
        ("nonce", json!("n-0S6_WzA2Mk"), "nonce"),
        ("nonce", json!(null), "nonce"),
        ("exp", json!(NOW_S - 60), "exp"),
        ("exp", json!("soon"), "malformed"),
        ("exp", json!(-1), "malformed"),
        ("exp", json!(1e300), "malformed"),
        ("iat", json!(NOW_S + 61), "iat"),
        ("iat", json!(NOW_S - 361), "iat"),
        ("nbf", json!(NOW_S + 61), "iat"),
        ("auth_time", json!(NOW_S + 61), "auth_time"),
        ("auth_time", json!(NOW_S - 661), "661 s ago"),
        ("acr", json!("urn:password"), "second factor"),
        ("acr", json!(null), "second factor"),
        ("amr", json!(["pwd"]), "second factor"),
        ("amr", json!([]), "second factor"),
        ("sub", json!(""), "sub"),
        ("sub", json!(" 248289761001"), "sub"),
        ("sub", json!("a\u{0}b"), "sub"),
        ("sub", json!("x".repeat(256)), "sub"),
        ("sub", json!(248_289_761_001_u64), "malformed"),
    ] {
        let error = tried(&|it| it[named] = value.clone())
            .unwrap_err()
            .to_string();
        assert!(error.contains(word), "{named} = {value}: {error}");
    }
    for missing in [
        "auth_time",
        "amr",
        "acr",
        "nonce",
        "sub",
        "exp",
        "iat",
        "aud",
    ] {
        let without = |it: &mut Value| {
            it.as_object_mut().unwrap().remove(missing);
        };
        assert!(tried(&without).is_err(), "without {missing}");
    }
}

#[test]
fn no_token_chooses_how_it_is_to_be_believed() {
    let (pen, other) = (p256(), p256());
    let set = keys(&[pen.jwk("k")]);
    let setting = setting();
    let check = |token: &str| token::check(token, &set, &setting.wanted(), NOW);
    let good = signed(&pen, &json!({"alg": "ES256", "kid": "k"}), &claims());
    check(&good).unwrap();
    for header in [
        json!({"alg": "none", "kid": "k"}),
        json!({"alg": "HS256", "kid": "k"}),
        json!({"alg": "es256", "kid": "k"}),
        json!({"alg": "ES256", "kid": "k", "crit": ["b64"], "b64": false}),
    ] {
        let error = check(&signed(&pen, &header, &claims())).unwrap_err();
        assert!(
            matches!(error, TokenError::Algorithm(_) | TokenError::Critical),
            "{error}"
        );
    }
    // With a key that it brings along, by another's key of that name, or bent.
    let mut header = json!({"alg": "ES256", "kid": "k"});
    header["jwk"] = other.jwk("k");
    for bad in [
        signed(&other, &header, &claims()),
        signed(&other, &json!({"alg": "ES256", "kid": "k"}), &claims()),
        {
            let (message, signature) = good.rsplit_once('.').unwrap();
            let (header, _) = message.split_once('.').unwrap();
            let mut bent = claims();
            bent["sub"] = json!("somebody-else");
            format!("{header}.{}.{signature}", b64(bent.to_string()))
        },
        format!("{}.", good.rsplit_once('.').unwrap().0),
    ] {
        let error = check(&bad).unwrap_err();
        assert!(
            matches!(error, TokenError::Unverified(Unverified::Signature)),
            "{error}"
        );
    }
    for bad in ["", ".", "a.b", "a.b.c.d", "..", &"x".repeat(17_000)] {
        assert!(matches!(check(bad), Err(TokenError::Form(_))), "{bad:.20}");
    }
    // A claim twice: which one counts is nobody's guess.
    let twice = claims()
        .to_string()
        .replacen('{', r#"{"sub":"somebody-else","#, 1);
    let message = format!("{}.{}", b64(r#"{"alg":"ES256","kid":"k"}"#), b64(twice));
    let token = format!("{message}.{}", b64(pen.sign("ES256", message.as_bytes())));
    assert!(matches!(check(&token), Err(TokenError::Form(_))));
}

#[test]
fn a_key_without_a_name_is_believed_only_when_there_is_one() {
    let (a, b) = (p256(), p256());
    let setting = setting();
    let token = signed(&a, &json!({"alg": "ES256"}), &claims());
    let check = |set: &Keys| token::check(&token, set, &setting.wanted(), NOW).is_ok();
    assert!(check(&keys(&[a.jwk("a"), rsa().jwk("r")])));
    assert!(!check(&keys(&[a.jwk("a"), b.jwk("b")])));
    let mut for_secrets = a.jwk("a");
    for_secrets["use"] = json!("enc");
    assert!(Keys::read(json!({"keys": [for_secrets]}).to_string().as_bytes()).is_err());
    let mut for_another = a.jwk("a");
    for_another["alg"] = json!("ES384");
    assert!(!check(&keys(&[for_another])));
    assert!(Keys::read(br#"{"keys": []}"#).is_err());
    assert!(Keys::read(b"<html>").is_err());
}
