//! How long sessions and links last, and who makes room for whom.

use super::*;

const NO_TIME: Duration = Duration::ZERO;

fn sessions() -> Sessions {
    Sessions::new(b"one")
}

/// A token that nobody revokes.
fn good() -> CancellationToken {
    CancellationToken::new()
}

fn begin(sessions: &Sessions, identity: &str, now: Instant) -> Key {
    Key::of(&sessions.begin(identity, &good(), None, now).unwrap().0)
}

#[test]
fn a_session_that_is_used_lasts_and_an_idle_one_does_not() {
    let sessions = sessions();
    let begun = Instant::now();
    let at = |hours: u64| begun + Duration::from_secs(hours * 3600);
    let key = begin(&sessions, "admin", begun);
    assert_eq!(sessions.look(key, begun).unwrap().left, IDLE);
    // Looking alone does not make it last.
    assert!(sessions.look(key, at(11)).is_some());
    assert_eq!(sessions.use_of(key, at(11)).unwrap().identity, "admin");
    assert!(sessions.use_of(key, at(22)).is_some());
    assert!(sessions.use_of(key, at(34)).is_none(), "twelve hours idle");
    assert!(sessions.look(key, begun).is_none(), "it does not come back");
}

#[test]
fn no_session_lasts_longer_than_a_week_however_much_it_is_used() {
    let sessions = sessions();
    let begun = Instant::now();
    let key = begin(&sessions, "admin", begun);
    for hour in 1..(7 * 24) {
        let now = begun + Duration::from_secs(hour * 3600);
        assert!(sessions.use_of(key, now).is_some(), "hour {hour}");
    }
    assert!(sessions.use_of(key, begun + LONGEST).is_none());
}

#[test]
fn what_ends_a_session_ends_its_streams() {
    let sessions = sessions();
    let now = Instant::now();
    let key = begin(&sessions, "admin", now);
    let over = sessions.look(key, now).unwrap().over;
    assert!(!over.is_cancelled());
    assert!(sessions.end(key));
    assert!(over.is_cancelled());
    assert!(!sessions.end(key), "only once");
    let key = begin(&sessions, "admin", now);
    let over = sessions.look(key, now).unwrap().over;
    assert!(sessions.look(key, now + IDLE).is_none());
    assert!(over.is_cancelled());
}

#[test]
fn a_link_is_opened_once_and_for_ten_minutes() {
    let sessions = sessions();
    let made = Instant::now();
    let code = sessions.link("operator", &good(), None, made).unwrap();
    let opened = sessions.open(&code, made).unwrap();
    assert_eq!(opened.identity, "operator");
    assert!(sessions.open(&code, made).is_none());
    let code = sessions.link("operator", &good(), None, made).unwrap();
    assert!(sessions.open(&code, made + LINK_LASTS).is_none());
    assert!(sessions.open("", made).is_none());
}

#[test]
fn a_session_by_a_link_of_a_session_ends_with_that_one_s_longest_time() {
    let sessions = sessions();
    let now = Instant::now();
    let end = now + Duration::from_secs(60);
    let code = sessions.link("admin", &good(), Some(end), now).unwrap();
    let opened = sessions.open(&code, now).unwrap();
    let (_, held) = sessions
        .begin("admin", &good(), opened.latest_end, now)
        .unwrap();
    assert_eq!(held.latest_end, end);
}

#[test]
fn a_flood_of_one_pushes_out_its_own_alone() {
    let sessions = sessions();
    let now = Instant::now();
    let at = |second: usize| now + Duration::from_secs(second as u64);
    let quiet = begin(&sessions, "quiet", now);
    let first = begin(&sessions, "loud", at(1));
    let used = begin(&sessions, "loud", at(2));
    for second in 3..(SESSIONS_EACH + 2) {
        begin(&sessions, "loud", at(second));
        assert!(sessions.use_of(used, at(second)).is_some());
    }
    let later = at(SESSIONS_EACH + 2);
    assert!(sessions.look(quiet, later).is_some());
    assert!(sessions.look(first, later).is_none(), "unused for longest");
    assert!(sessions.look(used, later).is_some(), "used just now");
    // Many identities: whoever has most gives way.
    for name in 0..(SESSIONS - 20) {
        begin(&sessions, &format!("name {name}"), later);
        assert!(lock(&sessions.sessions).len() <= SESSIONS);
    }
    assert!(sessions.look(quiet, later).is_some());
    for _ in 0..100 {
        sessions.link("loud", &good(), None, now).unwrap();
    }
    assert_eq!(lock(&sessions.links).len(), LINKS_EACH);
}

#[test]
fn a_cookie_is_kept_from_scripts_and_other_sites_and_two_agents_have_two() {
    let one = sessions();
    let (id, _) = one.begin("admin", &good(), None, Instant::now()).unwrap();
    assert_eq!(id.len(), 64, "256 bits");
    let cookie = one.cookie(&id, LONGEST, true);
    for word in [
        "HttpOnly",
        "SameSite=Strict",
        "Path=/",
        "Max-Age=604800",
        "Secure",
    ] {
        assert!(
            cookie.split("; ").any(|part| part == word),
            "{word}: {cookie}"
        );
    }
    assert!(!cookie.contains("Domain"));
    assert!(!one.cookie(&id, LONGEST, false).contains("Secure"));
    assert!(one.no_cookie(false).contains("Max-Age=0"));
    let other = Sessions::new(b"two");
    assert_ne!(one.cookie, other.cookie);
    let headers = |text: String| HeaderMap::from_iter([(header::COOKIE, text.parse().unwrap())]);
    let both = headers(format!("{}=x; {}={id}; z=1", other.cookie, one.cookie));
    assert_eq!(one.presented(&both), Some(Key::of(&id)));
    assert_eq!(other.presented(&both), Some(Key::of("x")));
    assert_eq!(one.presented(&headers("a=b".to_owned())), None);
    assert_eq!(one.presented(&HeaderMap::new()), None);
}

#[test]
fn no_secret_is_kept() {
    let sessions = sessions();
    let now = Instant::now();
    let (id, held) = sessions.begin("admin", &good(), None, now).unwrap();
    assert!(held.left > NO_TIME);
    let code = sessions.link("admin", &good(), None, now).unwrap();
    assert!(!format!("{held:?} {:?}", Key::of(&id)).contains(&id));
    let bytes = |text: &str| text.as_bytes()[..32].to_vec();
    assert!(
        lock(&sessions.sessions)
            .keys()
            .all(|key| key.0.to_vec() != bytes(&id))
    );
    assert!(
        lock(&sessions.links)
            .keys()
            .all(|key| key.0.to_vec() != bytes(&code))
    );
}

#[test]
fn with_the_token_everything_that_came_by_it_ends() {
    let sessions = sessions();
    let now = Instant::now();
    let token = good();
    let (id, held) = sessions.begin("phone", &token, None, now).unwrap();
    let code = sessions.link("phone", &token, None, now).unwrap();
    let other = begin(&sessions, "phone", now);
    token.cancel();
    assert!(held.over.is_cancelled(), "its streams end at once");
    assert!(sessions.use_of(Key::of(&id), now).is_none());
    assert!(sessions.open(&code, now).is_none());
    // One of the same name that was made anew is another.
    assert!(sessions.use_of(other, now).is_some());
}
