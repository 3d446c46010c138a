use crate::testing::{Authority, Met, OLD, meet, side};
use crate::{Fault, Problem, Secrets, check_client, check_server, client, fault, server};
use meant::{
    ClientTls, ConfigSource, Delivered, Delivery, Identity, NameKind, NameMatch, Roots, Secret, ServerTls, TextMatch,
    Tls, TlsVersion, Trust,
};
use rustls::{CipherSuite, Error, ProtocolVersion};

const ME: &str = "spiffe://cluster.local/ns/redis/sa/default";

fn client_tls(shared: Tls) -> ClientTls {
    ClientTls { sni: String::new(), shared }
}

fn server_tls(shared: Tls) -> ServerTls {
    ServerTls { requires_client_certificate: false, shared }
}

fn handshake(client_side: &ClientTls, server_side: &ServerTls) -> Result<Met, Error> {
    let secrets = Secrets::default();
    meet(&client(client_side, &secrets).unwrap(), &server(server_side, &secrets).unwrap())
}

fn any(kind: Option<NameKind>, text: TextMatch) -> Vec<NameMatch> {
    vec![NameMatch { kind, text }]
}

fn exact(text: &str) -> TextMatch {
    TextMatch::Exact(text.into())
}

#[test]
fn without_authorities_any_certificate_is_accepted_even_of_version_1() {
    let old = || Some((OLD.0.into(), OLD.1.into()));
    for (lowest, highest) in [(None, None), (None, Some(TlsVersion::V1_2))] {
        let ours = Tls { lowest, highest, ..side(None, Trust::default()) };
        handshake(&client_tls(ours), &server_tls(side(old(), Trust::default()))).unwrap();
    }
    assert!(client(&client_tls(Tls::default()), &Secrets::default()).unwrap().is_unverified());
}

#[test]
fn whoever_signed_itself_is_its_own_authority() {
    let trust = Trust { roots: Roots::Written(OLD.0.into()), names: Vec::new() };
    let old = side(Some((OLD.0.into(), OLD.1.into())), Trust::default());
    handshake(&client_tls(side(None, trust.clone())), &server_tls(old.clone())).unwrap();
    let strict = ServerTls { requires_client_certificate: true, shared: Tls { trust, ..old.clone() } };
    handshake(&client_tls(old), &strict).unwrap();
}

#[test]
fn the_chain_is_verified_and_the_host_name_is_not() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let theirs = |pair| server_tls(side(Some(pair), Trust::default()));
    let mut asking = client_tls(side(None, ours.trust(Vec::new())));
    asking.sni = "outbound_.6379_._.redis.redis.svc.cluster.local".into();
    let met = handshake(&asking, &theirs(ours.issue(&[ME]))).unwrap();
    assert_eq!(met.server.server_name(), Some(asking.sni.as_str()));

    let error = handshake(&asking, &theirs(foreign.issue(&[ME]))).unwrap_err();
    assert_eq!(fault(&error), Fault::Untrusted, "{error}");
    let error = handshake(&asking, &theirs(ours.issue_until(&[ME], 2001))).unwrap_err();
    assert_eq!(fault(&error), Fault::Untrusted, "{error}");
}

#[test]
fn one_accepted_name_is_enough() {
    let ours = Authority::new();
    let names = ["a.redis.svc", "*.wild.svc", "10.1.2.3", "fd00::1", "ops@redis.svc", ME];
    let theirs = server_tls(side(Some(ours.issue(&names)), Trust::default()));
    let try_names = |names| handshake(&client_tls(side(None, ours.trust(names))), &theirs);
    for (kind, text) in [
        (Some(NameKind::Uri), exact(ME)),
        (None, exact(ME)),
        (Some(NameKind::Uri), TextMatch::Prefix("spiffe://cluster.local/ns/redis/".into())),
        (Some(NameKind::Uri), TextMatch::Suffix("/sa/default".into())),
        (None, TextMatch::Contains("/ns/".into())),
        (Some(NameKind::Dns), exact("A.redis.svc")),
        (Some(NameKind::Dns), exact("b.wild.svc")),
        (Some(NameKind::Ip), exact("10.1.2.3")),
        (Some(NameKind::Ip), exact("fd00::1")),
        (Some(NameKind::Email), exact("ops@redis.svc")),
    ] {
        try_names(any(kind, text.clone())).unwrap_or_else(|error| panic!("{kind:?} {text:?}: {error}"));
    }
    for (kind, text) in [
        (Some(NameKind::Dns), exact(ME)),
        (None, exact("spiffe://cluster.local/ns/redis/sa/other")),
        (Some(NameKind::Dns), exact("c.b.wild.svc")),
        (Some(NameKind::Ip), exact("10.1.2.30")),
    ] {
        let error = try_names(any(kind, text)).unwrap_err();
        assert_eq!(fault(&error), Fault::Name);
        assert!(error.to_string().contains("10.1.2.3"), "it tells the names there are: {error}");
    }
    let mut two = any(None, exact("nobody"));
    two.extend(any(None, exact(ME)));
    try_names(two).unwrap();
}

#[test]
fn clients_show_certificates_where_they_are_required() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let strict = |names| ServerTls {
        requires_client_certificate: true,
        shared: side(Some(ours.issue(&["server"])), ours.trust(names)),
    };
    let me = |pair| client_tls(side(pair, ours.trust(Vec::new())));
    let met = handshake(&me(Some(ours.issue(&[ME]))), &strict(any(None, exact(ME)))).unwrap();
    assert_eq!(met.server.peer_certificates().map(<[_]>::len), Some(1));

    let of = |result: Result<Met, Error>| fault(&result.unwrap_err());
    assert_eq!(of(handshake(&me(None), &strict(Vec::new()))), Fault::NoCertificate);
    assert_eq!(of(handshake(&me(Some(foreign.issue(&[ME]))), &strict(Vec::new()))), Fault::Untrusted);
    assert_eq!(of(handshake(&me(Some(ours.issue(&["x"]))), &strict(any(None, exact(ME))))), Fault::Name);

    let lenient = ServerTls { requires_client_certificate: false, ..strict(Vec::new()) };
    handshake(&me(None), &lenient).unwrap();
    assert_eq!(of(handshake(&me(Some(foreign.issue(&[ME]))), &lenient)), Fault::Untrusted);

    let mut any_will_do = strict(Vec::new());
    any_will_do.shared.trust = Trust::default();
    handshake(&me(Some(foreign.issue(&[ME]))), &any_will_do).unwrap();
    assert_eq!(of(handshake(&me(None), &any_will_do)), Fault::NoCertificate);
}

#[test]
fn application_protocols_meet_or_there_is_none() {
    let ours = Authority::new();
    let with = |tls: Tls, alpn: &[&str]| Tls { alpn: alpn.iter().map(ToString::to_string).collect(), ..tls };
    let theirs = || side(Some(ours.issue(&["x"])), Trust::default());
    let talk = |client_alpn: &[&str], server_alpn: &[&str]| {
        let ours = client_tls(with(Tls::default(), client_alpn));
        let met = handshake(&ours, &server_tls(with(theirs(), server_alpn))).unwrap();
        met.client.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap())
    };
    assert_eq!(talk(&["istio", "h2"], &["h2", "istio"]).as_deref(), Some("h2"), "the server's order counts");
    assert_eq!(talk(&["redis"], &["h2"]), None, "as Envoy, it goes on without");
    assert_eq!(talk(&[], &["h2"]), None);
    assert_eq!(talk(&["h2"], &[]), None);
}

#[test]
fn versions_and_suites_are_those_asked_for() {
    let ours = Authority::new();
    let theirs = server_tls(side(Some(ours.issue(&["x"])), Trust::default()));
    let tls = |lowest, highest, suites: &[&str]| {
        let cipher_suites = suites.iter().map(ToString::to_string).collect();
        client_tls(Tls { lowest, highest, cipher_suites, ..Tls::default() })
    };
    let (old, new) = (Some(TlsVersion::V1_2), Some(TlsVersion::V1_3));
    let met = handshake(&tls(None, None, &[]), &theirs).unwrap();
    assert_eq!(met.client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let met = handshake(&tls(old, old, &["AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"]), &theirs).unwrap();
    assert_eq!(met.client.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    let suite = met.client.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    handshake(&tls(None, None, &["[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]"]), &theirs).unwrap();

    let only = Problem::NoSuite("AES256-GCM-SHA384, AES128-SHA".into());
    assert_eq!(check_client(&tls(None, None, &["AES256-GCM-SHA384", "AES128-SHA"])), Err(only));
    assert_eq!(check_client(&tls(new, old, &[])), Err(Problem::NoVersion));
}

#[test]
fn secrets_are_waited_for_and_must_be_of_their_kind() {
    let ours = Authority::new();
    let at = |name: &str| Delivery { name: name.into(), source: ConfigSource::Ads };
    let trust = Trust { roots: Roots::Delivered(at("ROOTCA")), names: any(None, exact(ME)) };
    let shared = Tls { identity: Some(Identity::Delivered(at("default"))), trust, ..Tls::default() };
    let (here, there) = (client_tls(shared.clone()), ServerTls { requires_client_certificate: true, shared });
    assert_eq!((check_client(&here), check_server(&there)), (Ok(()), Ok(())));

    let mut secrets = Secrets::default();
    let waiting = client(&here, &secrets).unwrap_err();
    assert!(waiting.is_waiting());
    assert_eq!(waiting.to_string(), "the secret 'ROOTCA' has not been delivered yet");

    let names = any(None, TextMatch::Prefix("spiffe://other/".into()));
    assert!(secrets.insert(at("ROOTCA"), Delivered::Trust(ours.trust(names))));
    let (chain, key) = ours.issue(&[ME]);
    let identity = Delivered::Identity { chain, key: Secret::new(key) };
    let older = secrets.clone();
    assert!(secrets.insert(at("default"), identity.clone()) && !secrets.insert(at("default"), identity.clone()));
    assert_eq!(server(&there, &older).unwrap_err(), Problem::NotDelivered("default".into()));
    meet(&client(&here, &secrets).unwrap(), &server(&there, &secrets).unwrap()).unwrap();

    secrets.insert(at("ROOTCA"), identity);
    let other = Problem::OtherKind { name: "ROOTCA".into(), wanted: "a validation_context" };
    assert_eq!(client(&here, &secrets).unwrap_err(), other);
    assert!(secrets.remove(&at("default")) && !secrets.remove(&at("default")));
}

#[test]
fn what_can_be_refused_at_once_is() {
    let ours = Authority::new();
    let ((chain, key), (_, other_key)) = (ours.issue(&["a"]), ours.issue(&["b"]));
    let pair =
        |chain: &[u8], key: &[u8]| check_server(&server_tls(side(Some((chain.into(), key.into())), Trust::default())));
    assert_eq!(pair(&chain, &key), Ok(()));
    assert_eq!(pair(&chain, &other_key), Err(Problem::Mismatch));
    assert!(matches!(pair(b"", &key), Err(Problem::Chain(_))));
    assert!(matches!(pair(&key, &key), Err(Problem::Chain(_))));
    assert!(matches!(pair(&chain, &chain), Err(Problem::Key(_))));
    assert_eq!(check_server(&server_tls(Tls::default())), Err(Problem::NoIdentity));

    let roots = |pem: &[u8]| {
        check_client(&client_tls(side(None, Trust { roots: Roots::Written(pem.into()), names: Vec::new() })))
    };
    assert!(matches!(roots(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), Err(Problem::Roots(_))));
    assert!(matches!(roots(b"no PEM"), Err(Problem::Roots(_))));
    let names = Trust { roots: Roots::Unverified, names: any(None, exact(ME)) };
    assert_eq!(check_client(&client_tls(side(None, names))), Err(Problem::NamesWithoutRoots));
    let named = ClientTls { sni: "no name!".into(), shared: Tls::default() };
    assert_eq!(check_client(&named), Err(Problem::ServerName("no name!".into())));
}
