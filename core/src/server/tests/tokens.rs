//! The token file: made, read, refused.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn secret_of(dir: &Path, role: Role) -> String {
    local_token(dir, role)
        .unwrap()
        .unwrap()
        .expose_secret()
        .to_owned()
}

fn who(tokens: &Tokens, token: &str) -> Option<(String, Role)> {
    tokens
        .check(token)
        .map(|holder| (holder.identity, holder.role))
}

fn write(dir: &Path, text: &str) {
    let path = dir.join(TOKEN_FILE);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn the_first_run_makes_three_tokens_that_only_the_owner_can_read() {
    let dir = tempfile::tempdir().unwrap();
    assert!(local_token(dir.path(), Role::Viewer).unwrap().is_none());
    let tokens = Tokens::open(dir.path(), None).unwrap();
    let mode = std::fs::metadata(dir.path().join(TOKEN_FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let secret = secret_of(dir.path(), role);
        assert!(
            secret.starts_with("stw_") && secret.len() == 68,
            "{}",
            secret.len()
        );
        assert_eq!(
            who(&tokens, &secret),
            Some((role.as_str().to_owned(), role))
        );
        assert_eq!(who(&tokens, &secret[..67]), None);
    }
    assert_eq!(who(&tokens, ""), None);
    let left: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, [TOKEN_FILE], "no draft is left behind");
    // The next start keeps them.
    let before = secret_of(dir.path(), Role::Admin);
    Tokens::open(dir.path(), None).unwrap();
    assert_eq!(before, secret_of(dir.path(), Role::Admin));
}

#[test]
fn the_environment_s_token_is_always_an_admin() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(dir.path(), Some("given-by-the-environment".into())).unwrap();
    assert_eq!(
        who(&tokens, "given-by-the-environment"),
        Some(("environment".to_owned(), Role::Admin))
    );
    assert_eq!(
        who(&tokens, &secret_of(dir.path(), Role::Viewer)),
        Some(("viewer".to_owned(), Role::Viewer))
    );
    assert!(matches!(
        Tokens::open(dir.path(), Some("".into())),
        Err(TokenError::EmptyEnvironment)
    ));
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Tokens::open(dir.path(), None).unwrap();
    let path = dir.path().join(TOKEN_FILE);
    for mode in [0o644, 0o640, 0o602] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let error = Tokens::open(dir.path(), None).unwrap_err().to_string();
        assert!(
            error.contains("chmod 600") && error.contains(&format!("{mode:o}")),
            "{error}"
        );
    }
}

#[test]
fn a_malformed_file_is_refused_with_its_place_and_without_its_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let token = |name: &str, role: &str, secret: &str| {
        format!("[[token]]\nname = \"{name}\"\nrole = \"{role}\"\nsecret = \"{secret}\"\n")
    };
    let good = token("a", "admin", "hunter2hunter2hunter2");
    for (text, word) in [
        ("".to_owned(), "no token"),
        ("[[token]\nsecret = \"hunter2\"".to_owned(), "line 1"),
        (
            format!(
                "{good}\n[[token]]\nname = \"b\"\nrole = \"hunter2\"\nsecret = \"hunter2hunter2hunter2\"\n"
            ),
            "line 8",
        ),
        (
            "[[token]]\nname = \"a\"\nrole = \"admin\"\n".to_owned(),
            "line 1",
        ),
        (format!("{good}password = \"hunter2\"\n"), "line 5"),
        (token("a", "admin", "hunter2"), "16 characters"),
        (
            token(" ", "admin", "hunter2hunter2hunter2"),
            "token number 1",
        ),
        (
            token("environment", "admin", "hunter2hunter2hunter2"),
            "STEWARD_ADMIN_TOKEN",
        ),
        (format!("{good}{good}"), "another token"),
        (
            format!("{good}{}", token("b", "viewer", "hunter2hunter2hunter2")),
            "another token",
        ),
    ] {
        write(dir.path(), &text);
        let error = Tokens::open(dir.path(), None).unwrap_err();
        let whole = format!("{error} {error:?}");
        assert!(whole.contains(word), "{word}: {whole}");
        assert!(
            whole.contains(TOKEN_FILE) && !whole.contains("hunter2"),
            "{whole}"
        );
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = Tokens::open(&dir.path().join("missing"), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("missing/tokens.toml can't be made"),
        "{error}"
    );
}

#[test]
fn an_agent_s_mark_is_its_own_and_stays() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mark = |dir: &Path| Tokens::open(dir, None).unwrap().mark();
    assert_eq!(mark(one.path()), mark(one.path()));
    assert_ne!(mark(one.path()), mark(two.path()));
}

#[test]
fn a_token_is_made_and_revoked_beside_the_file_s_comments() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(dir.path(), Some("given-by-the-environment".into())).unwrap();
    let mark = tokens.mark();
    let path = dir.path().join(TOKEN_FILE);
    let by_hand = std::fs::read_to_string(&path).unwrap()
        + "\n# The tablet on the wall.\n[[token]]\nname = \"wall\"\nrole = \"viewer\"\nsecret = \"stw_of_the_wall_0123456789\"\n";
    write(dir.path(), &by_hand);
    // What was added by hand counts from the next start on, or from the next change.
    assert_eq!(who(&tokens, "stw_of_the_wall_0123456789"), None);
    let secret = tokens
        .make("admin", "phone \"of\" Ö", Role::Operator)
        .unwrap();
    let secret = secret.expose_secret();
    assert_eq!(
        who(&tokens, secret),
        Some(("phone \"of\" Ö".to_owned(), Role::Operator))
    );
    assert!(tokens.check("stw_of_the_wall_0123456789").is_some());
    assert!(tokens.check("given-by-the-environment").is_some());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with(&by_hand), "{text}");
    let again = Tokens::open(dir.path(), None).unwrap();
    assert!(again.check(secret).is_some());

    tokens.revoke("admin", "phone \"of\" Ö").unwrap();
    assert_eq!(who(&tokens, secret), None);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), by_hand);
    assert_eq!(tokens.mark(), mark);
    tokens.revoke("admin", "wall").unwrap();
    assert_eq!(who(&tokens, "stw_of_the_wall_0123456789"), None);
    assert_eq!(tokens.role_of("wall"), None);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "a draft was left behind: {left:?}");
}

#[test]
fn what_would_lock_the_owner_out_or_confuse_the_record_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(dir.path(), Some("given-by-the-environment".into())).unwrap();
    let path = dir.path().join(TOKEN_FILE);
    let before = std::fs::read_to_string(&path).unwrap();
    for name in [
        "",
        " ",
        ".",
        "..",
        "a ",
        "a\nb",
        "environment",
        &"x".repeat(65),
    ] {
        let refused = tokens.make("admin", name, Role::Viewer);
        assert!(matches!(refused, Err(TokenError::Name)), "{name:?}");
    }
    assert!(matches!(
        tokens.make("admin", "viewer", Role::Admin),
        Err(TokenError::Taken { .. })
    ));
    assert!(matches!(
        tokens.revoke("admin", "admin"),
        Err(TokenError::LastAdmin { .. })
    ));
    assert!(matches!(
        tokens.revoke("admin", "environment"),
        Err(TokenError::OfTheEnvironment)
    ));
    assert!(matches!(
        tokens.revoke("admin", "nobody"),
        Err(TokenError::Unknown { .. })
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    // A file that was broken by hand is neither believed nor overwritten, and nobody is locked out by it.
    write(dir.path(), "[[token]]\nsecret = \"stw_half");
    assert!(matches!(
        tokens.make("admin", "phone", Role::Viewer),
        Err(TokenError::Malformed { .. })
    ));
    assert!(tokens.check("given-by-the-environment").is_some());
    assert_eq!(tokens.role_of("viewer"), Some(Role::Viewer));
    let kept_nowhere = Tokens::new([], Some("given-by-the-environment".into())).unwrap();
    assert!(matches!(
        kept_nowhere.make(ENVIRONMENT_IDENTITY, "phone", Role::Viewer),
        Err(TokenError::InNoFile)
    ));
}

#[test]
fn debug_output_shows_names_only() {
    let tokens = Tokens::new([("ci".to_owned(), Role::Viewer, "hunter2".into())], None).unwrap();
    assert_eq!(format!("{tokens:?}"), r#"{"ci": Viewer}"#);
}

#[test]
fn who_was_revoked_changes_nothing_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(dir.path(), None).unwrap();
    tokens.make("admin", "second", Role::Admin).unwrap();
    let path = dir.path().join(TOKEN_FILE);
    let said = std::fs::read_to_string(&path).unwrap();
    let said = said.lines().next().unwrap().to_owned();
    let first = tokens.check(&secret_of(dir.path(), Role::Admin)).unwrap();
    tokens.revoke("second", "admin").unwrap();
    assert!(first.over.is_cancelled());
    for role in ["admin", "operator", "nobody"] {
        assert!(matches!(
            tokens.make(role, "mine", Role::Admin),
            Err(TokenError::NoAdmin)
        ));
        assert!(matches!(
            tokens.revoke(role, "viewer"),
            Err(TokenError::NoAdmin)
        ));
    }
    // What is said at the head of the file is said of the file, not of its first token.
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with(&said) && !text.contains("name = \"admin\""),
        "{text}"
    );
}

#[test]
fn a_token_that_was_taken_out_by_hand_is_revoked_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = Tokens::open(dir.path(), None).unwrap();
    let viewer = tokens.check(&secret_of(dir.path(), Role::Viewer)).unwrap();
    let operator = tokens
        .check(&secret_of(dir.path(), Role::Operator))
        .unwrap();
    let text = std::fs::read_to_string(dir.path().join(TOKEN_FILE)).unwrap();
    let (without, _) = text.rsplit_once("[[token]]").unwrap();
    write(dir.path(), without);
    assert_eq!(tokens.role_of("viewer"), Some(Role::Viewer));
    tokens.revoke("admin", "viewer").unwrap();
    assert_eq!(tokens.role_of("viewer"), None);
    assert!(viewer.over.is_cancelled() && !operator.over.is_cancelled());
    // A secret that was changed by hand ends what came by the one before.
    let text = without.replace(
        "name = \"operator\"\nrole = \"operator\"\nsecret = \"stw_",
        "name = \"operator\"\nrole = \"operator\"\nsecret = \"stw_new",
    );
    write(dir.path(), &text);
    tokens.make("admin", "phone", Role::Viewer).unwrap();
    assert!(operator.over.is_cancelled());
}
