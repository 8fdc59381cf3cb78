//! What a request out of a browser must show.

use axum::http::Request;

use super::*;

fn parts(method: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri("/api/events");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn detail(result: Result<(), Refusal>) -> String {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.problem.code, ErrorCode::Forbidden);
    refusal.problem.detail
}

#[test]
fn an_agent_is_known_by_addresses_and_its_own_names() {
    let hosts = Hosts::new(["Atlas", "steward.example.lan.", "", "[2001:db8::1]"]);
    for host in [
        "127.0.0.1:9470",
        "[::1]:9470",
        "192.168.1.7",
        "localhost",
        "LOCALHOST:1",
        "atlas:9470",
        "steward.example.lan",
        "steward.example.lan.:9470",
        "[2001:db8::1]",
    ] {
        assert_eq!(
            hosts.check(&parts("GET", &[("host", host)])),
            Ok(()),
            "{host}"
        );
    }
    for host in [
        "evil.example:9470",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "atlas.evil.example",
        "xatlas",
        "",
        ":9470",
    ] {
        let said = detail(hosts.check(&parts("GET", &[("host", host)])));
        assert!(said.contains("server.allowed_hosts"), "{host}: {said}");
    }
    assert!(detail(hosts.check(&parts("GET", &[]))).contains("Host"));
}

#[test]
fn what_a_browser_says_comes_from_elsewhere_is_refused() {
    let hosts = Hosts::default();
    let with = |site: &str| parts("GET", &[("host", "localhost"), ("sec-fetch-site", site)]);
    for site in ["same-origin", "none"] {
        assert_eq!(for_a_cookie(&hosts, &with(site)), Ok(()));
    }
    for site in ["cross-site", "same-site", "", "Same-Origin"] {
        let said = detail(for_a_cookie(&hosts, &with(site)));
        assert!(said.contains("Sec-Fetch-Site"), "{said}");
        detail(for_signing_in(&hosts, &with(site)));
    }
    assert_eq!(
        for_a_cookie(&hosts, &parts("GET", &[("host", "localhost")])),
        Ok(()),
        "browsers that say nothing are let through: the cookie itself is SameSite"
    );
}

#[test]
fn a_change_needs_our_header_and_our_origin() {
    let hosts = Hosts::default();
    let host = ("host", "localhost:9470");
    let ours = ("x-steward-request", "1");
    let origin = ("origin", "http://localhost:9470");
    assert_eq!(
        for_a_cookie(&hosts, &parts("POST", &[host, ours, origin])),
        Ok(())
    );
    assert_eq!(for_a_cookie(&hosts, &parts("POST", &[host, ours])), Ok(()));
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let said = detail(for_a_cookie(&hosts, &parts(method, &[host, origin])));
        assert!(said.contains("X-Steward-Request: 1"), "{said}");
    }
    let wrong = ("x-steward-request", "yes");
    detail(for_a_cookie(&hosts, &parts("POST", &[host, wrong, origin])));
    let other = ("origin", "http://localhost:8080");
    let said = detail(for_a_cookie(&hosts, &parts("POST", &[host, ours, other])));
    assert!(said.contains("Origin"), "{said}");
}

#[test]
fn a_page_over_tls_gets_a_cookie_for_tls() {
    let from = |origin: &str| has_secure_origin(&parts("POST", &[("origin", origin)]).headers);
    assert!(from("https://steward.example.lan"));
    assert!(!from("http://steward.example.lan"));
    assert!(!from("null"));
}
