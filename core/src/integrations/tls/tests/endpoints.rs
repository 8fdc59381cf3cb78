//! Endpoints: good and bad certificates, and what only seems to speak TLS.

use std::{net::Ipv4Addr, time::Duration};

use tokio::net::TcpListener;

use super::house::{House, alone, at, say, serve};
use crate::ports::{CertificateProbe as _, ChainReader as _, NoChain, Verdict};

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_good_certificate_is_told_as_it_is() {
    let house = House::new();
    let address = serve(house.certificate(&["localhost", "127.0.0.1"], 2090)).await;
    for host in ["localhost", "127.0.0.1"] {
        let seen = house.probe().certificate(&at(host, address)).await.unwrap();
        assert_eq!(seen.fault, None);
        assert_eq!(seen.names, ["localhost", "127.0.0.1"]);
        assert!(seen.issuer.contains("The House"), "{}", seen.issuer);
        assert!(!seen.is_self_signed);
        assert_eq!(seen.not_before, "2020-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(seen.not_after, "2090-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(seen.protocol, "TLSv1.3");
    }
}

#[tokio::test]
async fn a_bad_certificate_is_read_all_the_same_and_its_fault_named() {
    let house = House::new();
    let probe = house.probe();
    let expired = serve(house.certificate(&["localhost"], 2021)).await;
    let seen = probe.certificate(&at("localhost", expired)).await.unwrap();
    assert_eq!(
        seen.fault.as_deref(),
        Some("the TLS certificate has expired")
    );
    assert_eq!(seen.not_after, "2021-01-01T00:00:00Z".parse().unwrap());

    let other = serve(house.certificate(&["wiki.home"], 2090)).await;
    let seen = probe.certificate(&at("localhost", other)).await.unwrap();
    assert_eq!(
        seen.fault.as_deref(),
        Some("the TLS certificate is for another name")
    );
    assert_eq!(seen.names, ["wiki.home"]);

    let own = serve(alone(&["localhost"])).await;
    let seen = probe.certificate(&at("localhost", own)).await.unwrap();
    assert!(seen.is_self_signed);
    let fault = seen.fault.unwrap();
    assert!(fault.contains("nobody whom this host trusts"), "{fault}");
}

#[tokio::test]
async fn where_there_is_none_it_says_why() {
    let probe = House::new().probe();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let error = probe.certificate(&at("localhost", closed)).await;
    assert!(error.unwrap_err().contains("refused"));

    let plain = say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await;
    let error = probe.certificate(&at("localhost", plain)).await;
    let error = error.unwrap_err();
    assert!(error.contains("TLS failed"), "{error}");
}

/// The verdicts as they are, and of who signed it alone.
async fn verdicts(house: &House, shown: super::house::Shown, named: bool) -> (Verdict, Verdict) {
    let address = serve(shown).await;
    let endpoint = at("localhost", address);
    let chain = house
        .probe()
        .endpoint(&endpoint, named, LIMIT)
        .await
        .unwrap();
    (chain.here, chain.trust)
}

fn refused(why: &str) -> Verdict {
    Verdict::Refused(format!("the TLS certificate {why}"))
}

#[tokio::test]
async fn who_signed_it_is_judged_apart_from_dates_and_names() {
    use Verdict::{Accepted, UnknownIssuer};
    let house = House::new();
    let one = |names: &[&str], until| house.certificate(names, until);
    assert_eq!(
        verdicts(&house, one(&["localhost"], 2090), true).await,
        (Accepted, Accepted)
    );
    assert_eq!(
        verdicts(&house, one(&["localhost"], 2021), true).await,
        (refused("has expired"), Accepted)
    );
    assert_eq!(
        verdicts(&house, one(&["wiki.home"], 2090), true).await,
        (refused("is for another name"), Accepted)
    );
    // Where nobody knows the name, it is judged for its own, and for one of those that `*` stands for.
    for name in ["wiki.home", "*.wiki.home", "10.1.2.3"] {
        assert_eq!(
            verdicts(&house, one(&[name], 2090), false).await,
            (Accepted, Accepted),
            "{name}"
        );
    }
    // One for nobody at all: no name of its own can be found, which says nothing of who signed it.
    assert_eq!(verdicts(&house, one(&[], 2090), true).await.1, Accepted);
    assert_eq!(
        verdicts(&house, alone(&["localhost"]), true).await,
        (UnknownIssuer, UnknownIssuer)
    );
    let whole = house.certificate_below(&["localhost"], true);
    assert_eq!(verdicts(&house, whole, true).await, (Accepted, Accepted));
    let broken = house.certificate_below(&["localhost"], false);
    assert_eq!(
        verdicts(&house, broken, true).await,
        (UnknownIssuer, UnknownIssuer)
    );
}

#[tokio::test]
async fn the_whole_chain_is_read() {
    let house = House::new();
    let shown = house.certificate_below(&["localhost"], true);
    let expected: Vec<Vec<u8>> = shown.chain.iter().map(|der| der.to_vec()).collect();
    let address = serve(shown).await;
    let chain = house
        .probe()
        .endpoint(&at("127.0.0.1", address), false, LIMIT)
        .await
        .unwrap();
    assert_eq!(chain.certificates, expected);
}

#[tokio::test]
async fn what_does_not_speak_tls_is_told_from_what_is_not_there() {
    let probe = House::new().probe();
    let short = Duration::from_millis(300);
    // One that says nothing for ever.
    let silent = say(Vec::new()).await;
    let begun = std::time::Instant::now();
    let seen = probe.endpoint(&at("127.0.0.1", silent), false, short).await;
    assert_eq!(
        seen,
        Err(NoChain::NotTls("no answer within 0.3 s".to_owned()))
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
    // One that speaks another language, and one that floods.
    for bytes in [
        b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        vec![b'x'; 100 * 1024],
        vec![0x16; 100 * 1024],
    ] {
        let address = say(bytes).await;
        let seen = probe
            .endpoint(&at("127.0.0.1", address), false, LIMIT)
            .await;
        assert!(matches!(seen, Err(NoChain::NotTls(_))), "{seen:?}");
    }
    // A fatal alert, handshake_failure (RFC 8446 §6): somebody who speaks TLS, but not with us.
    let address = say(vec![0x15, 3, 3, 0, 2, 2, 40]).await;
    let seen = probe
        .endpoint(&at("127.0.0.1", address), false, LIMIT)
        .await;
    assert!(matches!(seen, Err(NoChain::Unreadable(_))), "{seen:?}");

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    for host in ["127.0.0.1", "no such name"] {
        let seen = probe.endpoint(&at(host, closed), true, LIMIT).await;
        assert!(matches!(seen, Err(NoChain::Unreachable(_))), "{seen:?}");
    }
}
