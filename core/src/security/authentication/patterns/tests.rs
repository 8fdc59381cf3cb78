//! Each form on lines as its program writes them, and on lines that strangers would like to have believed. OpenSSH's are from a real server
//! (9.2p1) with real attempts; the others follow the sources named at each form, and the documented examples for Fail2ban of Gitea,
//! Jellyfin, Nextcloud and Vaultwarden.
use jiff::tz::TimeZone;

use super::*;

fn clock() -> Clock {
    Clock {
        now: "2026-11-28T12:00:00Z".parse().unwrap(),
        zone: TimeZone::UTC,
    }
}

/// `form: +|- address user service xN`, or `form: nothing`, or `not understood`.
fn of(line: &str) -> String {
    show(&Line::of_file(line, &clock()))
}

fn of_container(line: &str) -> String {
    show(&Line::of_container(None, line, false, &clock()))
}

fn show(line: &Line<'_>) -> String {
    match read(line, &[], &clock()) {
        None => "not understood".to_owned(),
        Some((form, Told::Nothing)) => format!("{form}: nothing"),
        Some((form, Told::Attempt(seen))) => format!(
            "{form}: {} {} {} {} x{}",
            if seen.success { "+" } else { "-" },
            seen.address
                .map_or_else(|| "?".to_owned(), |address| address.to_string()),
            seen.user.as_deref().unwrap_or("?"),
            seen.service,
            seen.times
        ),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(of(line), *expected, "{line}");
    }
}

#[test]
fn what_a_real_ssh_server_writes() {
    // The messages of OpenSSH 9.2p1, under the head that rsyslog gives them.
    for (message, expected) in [
        (
            "Failed password for root from 127.0.0.1 port 51778 ssh2",
            "sshd: - 127.0.0.1 root sshd x1",
        ),
        (
            "Failed password for daemon from ::1 port 48016 ssh2",
            "sshd: - ::1 daemon sshd x1",
        ),
        (
            "Invalid user admin from 127.0.0.1 port 42498",
            "sshd: - 127.0.0.1 admin sshd x1",
        ),
        (
            "Failed password for invalid user admin from 127.0.0.1 port 42498 ssh2",
            "sshd: - 127.0.0.1 admin sshd x1",
        ),
        (
            "Connection closed by invalid user admin 127.0.0.1 port 42498 [preauth]",
            "sshd: - 127.0.0.1 admin sshd x1",
        ),
        ("Invalid user  from ::1 port 48002", "sshd: - ::1 ? sshd x1"),
        (
            "Failed password for invalid user  from ::1 port 48002 ssh2",
            "sshd: - ::1 ? sshd x1",
        ),
        (
            "Connection closed by authenticating user root 127.0.0.1 port 51778 [preauth]",
            "sshd: - 127.0.0.1 root sshd x1",
        ),
        (
            "Accepted publickey for root from 127.0.0.1 port 45936 ssh2: ED25519 SHA256:6XJ0FFnZi44DdKX3MVJUD0d7QrOgIPItIXaDuP3bAo4",
            "sshd: + 127.0.0.1 root sshd x1",
        ),
        (
            "Failed publickey for root from 127.0.0.1 port 45946 ssh2: ED25519 SHA256:HRGQnFxBZw/cWXd029M8iDVSwww1JKtgMOOrl/hrvFw",
            "sshd: nothing",
        ),
        (
            "Connection from 127.0.0.1 port 51778 on 127.0.0.1 port 25972 rdomain \"\"",
            "sshd: nothing",
        ),
        (
            "Disconnected from user root 127.0.0.1 port 45936",
            "sshd: nothing",
        ),
        (
            "Received disconnect from 127.0.0.1 port 45936:11: disconnected by user",
            "sshd: nothing",
        ),
        (
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=127.0.0.1  user=root",
            "sshd: nothing",
        ),
        ("Server listening on ::1 port 25972.", "not understood"),
    ] {
        for head in [
            "Nov 28 03:03:31 atlas sshd[123]: ",
            "Nov 28 2026 03:03:31 atlas sshd[123]: ",
            "2026-11-28T03:03:31.123456+00:00 atlas sshd-session[123]: ",
            "",
        ] {
            // Without a head it could be anybody's line, and PAM's is read as such.
            if head.is_empty() && message.starts_with("pam_") {
                continue;
            }
            assert_eq!(of(&format!("{head}{message}")), expected, "{head}{message}");
        }
        let journal = serde_json::json!({"__REALTIME_TIMESTAMP": "1795834800000000", "SYSLOG_IDENTIFIER": "sshd", "_COMM": "sshd", "MESSAGE": message});
        assert_eq!(of(&journal.to_string()), expected, "{journal}");
    }
}

#[test]
fn a_name_can_not_forge_an_address_for_ssh() {
    let head = "Nov 28 03:03:31 atlas sshd[123]: ";
    for (message, expected) in [
        // Really sent to the server: the name `x from 203.0.113.9 port 22 ssh2`.
        (
            "Invalid user x from 203.0.113.9 port 22 ssh2 from 127.0.0.1 port 42506",
            "sshd: - 127.0.0.1 x from 203.0.113.9 port 22 ssh2 sshd x1",
        ),
        (
            "Failed password for invalid user x from 203.0.113.9 port 22 ssh2 from 127.0.0.1 port 42506 ssh2",
            "sshd: - 127.0.0.1 x from 203.0.113.9 port 22 ssh2 sshd x1",
        ),
        (
            "Connection closed by invalid user x from 203.0.113.9 port 22 ssh2 127.0.0.1 port 42506 [preauth]",
            "sshd: - 127.0.0.1 x from 203.0.113.9 port 22 ssh2 sshd x1",
        ),
        // The server writes a line's end as \n, so that a name stays on its line.
        (
            "Invalid user x\\nNov 28 03:03:31 h sshd[1]: Failed password for root from 203.0.113.9 port 22 ssh2 from 127.0.0.1 port 4",
            "sshd: - 127.0.0.1 x\\nNov 28 03:03:31 h sshd[1]: Failed password for root from 203.0.113.9 port 22 ssh2 sshd x1",
        ),
        (
            "Invalid user Accepted password for root from 203.0.113.9 port 22 ssh2 from 127.0.0.1 port 4",
            "sshd: - 127.0.0.1 Accepted password for root from 203.0.113.9 port 22 ssh2 sshd x1",
        ),
        // A success can't be forged by a name with blanks.
        (
            "Accepted password for a from 203.0.113.9 port 1 ssh2 from 127.0.0.1 port 2 ssh2",
            "not understood",
        ),
        // Cut in the middle: nothing is made up.
        (
            "Failed password for root from 203.0.113.9 po",
            "not understood",
        ),
        (
            "Failed password for root from host.example port 22 ssh2",
            "sshd: - ? root sshd x1",
        ),
    ] {
        assert_eq!(of(&format!("{head}{message}")), expected, "{message}");
    }
    // Another program, and a container, can't speak as the SSH server.
    let message = "Failed password for root from 203.0.113.9 port 22 ssh2";
    assert_eq!(
        of(&format!("Nov 28 03:03:31 atlas cron[1]: {message}")),
        "not understood"
    );
    assert_eq!(of_container(message), "not understood");
}

#[test]
fn the_system_itself() {
    check(&[
        (
            "Nov 28 03:03:31 atlas sudo[7]:    alice : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id",
            "sudo: - ? alice sudo x3",
        ),
        (
            "Nov 28 03:03:31 atlas sudo:    alice : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id",
            "sudo: - ? alice sudo x1",
        ),
        (
            "Nov 28 03:03:31 atlas sudo[7]: pam_unix(sudo:auth): authentication failure; logname=alice uid=1000 euid=0 tty=/dev/pts/0 ruser=alice rhost=  user=alice",
            "sudo: nothing",
        ),
        (
            "Nov 28 03:03:31 atlas sudo[7]:    alice : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/id",
            "sudo: nothing",
        ),
        (
            "Nov 28 03:03:31 atlas su[7]: FAILED SU (to root) alice on pts/0",
            "su: - ? root su x1",
        ),
        (
            "Nov 28 03:03:31 atlas su[7]: (to root) alice on pts/0",
            "su: + ? root su x1",
        ),
        (
            "Nov 28 03:03:31 atlas su[7]: FAILED su for root by alice",
            "su: - ? root su x1",
        ),
        (
            "Nov 28 03:03:31 atlas login[7]: pam_unix(login:auth): authentication failure; logname=LOGIN uid=0 euid=0 tty=/dev/tty1 ruser= rhost=  user=root",
            "pam: - ? root login x1",
        ),
        (
            "Nov 28 03:03:31 atlas vsftpd[7]: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=bob rhost=::ffff:203.0.113.9",
            "pam: - 203.0.113.9 bob vsftpd x1",
        ),
        // A name with another address in it: there are two, so there is none.
        (
            "Nov 28 03:03:31 atlas vsftpd[7]: pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp ruser=b rhost=198.51.100.1  user=x rhost=::ffff:203.0.113.9",
            "pam: - ? b rhost=198.51.100.1  user=x vsftpd x1",
        ),
        (
            "Nov 28 03:03:31 pve pvedaemon[1234]: authentication failure; rhost=::ffff:203.0.113.9 user=root@pam msg=Authentication failure",
            "proxmox: - 203.0.113.9 root@pam proxmox x1",
        ),
        (
            "Nov 28 03:03:31 pve pvedaemon[1234]: authentication failure; rhost=203.0.113.9 user=x rhost=198.51.100.1 user=y msg=no such user",
            "proxmox: - 203.0.113.9 x rhost=198.51.100.1 user=y proxmox x1",
        ),
        (
            "Nov 28 03:03:31 pve pvedaemon[1234]: <root@pam> successful auth for user 'root@pam'",
            "proxmox: + ? root@pam proxmox x1",
        ),
        (
            "Nov 28 03:03:31 nas dropbear[99]: Bad password attempt for 'root' from 203.0.113.9:51234",
            "dropbear: - 203.0.113.9 root dropbear x1",
        ),
        (
            "Nov 28 03:03:31 nas dropbear[99]: Login attempt for nonexistent user from 203.0.113.9:51234",
            "dropbear: - 203.0.113.9 ? dropbear x1",
        ),
        (
            "Nov 28 03:03:31 nas dropbear[99]: Password auth succeeded for 'root' from 203.0.113.9:51234",
            "dropbear: + 203.0.113.9 root dropbear x1",
        ),
    ]);
}

#[test]
fn web_servers() {
    check(&[
        (
            r#"203.0.113.9 - alice [28/Nov/2026:03:03:31 +0000] "GET /private HTTP/1.1" 401 179 "-" "curl/8""#,
            "web access log: - 203.0.113.9 alice web x1",
        ),
        (
            r#"203.0.113.9 - - [28/Nov/2026:03:03:31 +0000] "POST /api/login HTTP/1.1" 401 12"#,
            "web access log: - 203.0.113.9 ? web x1",
        ),
        (
            r#"2001:db8::9 - - [28/Nov/2026:03:03:31 +0000] "POST /wp-login.php?x=1 HTTP/2.0" 403 12 "-" "x""#,
            "web access log: - 2001:db8::9 ? web x1",
        ),
        // A browser that has not tried anything yet, an ordinary refusal, and what went well.
        (
            r#"203.0.113.9 - - [28/Nov/2026:03:03:31 +0000] "GET /private HTTP/1.1" 401 179"#,
            "web access log: nothing",
        ),
        (
            r#"203.0.113.9 - - [28/Nov/2026:03:03:31 +0000] "GET /admin/x.png HTTP/1.1" 403 179"#,
            "web access log: nothing",
        ),
        (
            r#"203.0.113.9 - - [28/Nov/2026:03:03:31 +0000] "POST /login HTTP/1.1" 302 0"#,
            "not understood",
        ),
        // A name that would like to be a whole line: quotes are escaped within requests, and the address stands first.
        (
            r#"203.0.113.9 - a [28/Nov/2026:03:03:31 +0000] x 198.51.100.1 [28/Nov/2026:03:03:31 +0000] "GET / HTTP/1.1" 401 1"#,
            "web access log: - 203.0.113.9 a [28/Nov/2026:03:03:31 +0000] x 198.51.100.1 web x1",
        ),
        (
            r#"203.0.113.9 - - [28/Nov/2026:03:03:31 +0000] "GET /\" 401 5 \x22 HTTP/1.1" 200 1"#,
            "web access log: nothing",
        ),
        (
            r#"2026/11/28 03:03:31 [error] 29#29: *5 user "alice": password mismatch, client: 203.0.113.9, server: _, request: "GET / HTTP/1.1", host: "a""#,
            "nginx error log: - 203.0.113.9 alice web x1",
        ),
        (
            r#"2026/11/28 03:03:31 [error] 29#29: *5 user "bob" was not found in "/etc/nginx/.htpasswd", client: 203.0.113.9, server: _, request: "GET / HTTP/1.1", host: "a""#,
            "nginx error log: - 203.0.113.9 bob web x1",
        ),
        (
            r#"2026/11/28 03:03:31 [error] 29#29: *5 user "x": password mismatch, client: 198.51.100.1, server: y": password mismatch, client: 203.0.113.9, server: _, request: "GET / HTTP/1.1", host: "a""#,
            "nginx error log: - ? x web x1",
        ),
        (
            r#"[Sat Nov 28 03:03:31.123456 2026] [auth_basic:error] [pid 9:tid 7] [client 203.0.113.9:51234] AH01617: user alice: authentication failure for "/": Password Mismatch"#,
            "apache error log: - 203.0.113.9 alice web x1",
        ),
        (
            r#"[Sat Nov 28 03:03:31.123456 2026] [auth_basic:error] [pid 9:tid 7] [client 203.0.113.9:51234] AH01618: user bob not found: /"#,
            "apache error log: - 203.0.113.9 bob web x1",
        ),
        (
            r#"{"level":"info","ts":1795834800.5,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"172.20.0.1","client_ip":"203.0.113.9","method":"POST","uri":"/login"},"user_id":"","status":401}"#,
            "caddy: - 203.0.113.9 ? web x1",
        ),
        (
            r#"{"level":"info","ts":1795834800.5,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"203.0.113.9","method":"GET","uri":"/"},"status":200}"#,
            "caddy: nothing",
        ),
        (
            r#"{"ClientHost":"203.0.113.9","ClientUsername":"alice","DownstreamStatus":401,"RequestMethod":"GET","RequestPath":"/","time":"2026-11-28T03:03:31Z"}"#,
            "traefik: - 203.0.113.9 alice web x1",
        ),
    ]);
}

#[test]
fn applications_of_homes() {
    check(&[
        (
            "2026-11-28 03:03:31.123 WARNING (MainThread) [homeassistant.components.http.ban] Login attempt or request with invalid authentication from host.example (203.0.113.9). Requested URL: '/auth/login_flow/1'. (Mozilla/5.0)",
            "home assistant: - 203.0.113.9 ? home assistant x1",
        ),
        (
            "2026-11-28 03:03:31.123 WARNING (MainThread) [homeassistant.components.http.ban] Login attempt or request with invalid authentication from 203.0.113.9",
            "home assistant: - 203.0.113.9 ? home assistant x1",
        ),
        (
            "2026-11-28 03:03:31.123 WARNING (MainThread) [homeassistant.components.http.ban] Login attempt or request with invalid authentication from h (203.0.113.9). Requested URL: '/x from h (198.51.100.1).'. (from h (198.51.100.2).)",
            "home assistant: - 203.0.113.9 ? home assistant x1",
        ),
        (
            "[2026-11-28 03:03:31.123][vaultwarden::api::identity][ERROR] Username or password is incorrect. Try again. IP: 203.0.113.9. Username: alice@example.org.",
            "vaultwarden: - 203.0.113.9 alice@example.org vaultwarden x1",
        ),
        (
            "[2026-11-28 03:03:31.123][vaultwarden::api::identity][ERROR] Username or password is incorrect. Try again. IP: 203.0.113.9. Username: x IP: 198.51.100.1. Username: y.",
            "vaultwarden: - 203.0.113.9 x IP: 198.51.100.1. Username: y vaultwarden x1",
        ),
        (
            "[2026-11-28 03:03:31.123][vaultwarden::api::admin][ERROR] Invalid admin token. IP: 2001:db8::9",
            "vaultwarden: - 2001:db8::9 ? vaultwarden admin x1",
        ),
        (
            "2026/11/28 03:03:31 ...rs/web/auth/auth.go:202:SignInPost() [I] [5c1] Failed authentication attempt for alice from 203.0.113.9:51234: user does not exist [uid: 0, name: alice]",
            "gitea: - 203.0.113.9 alice gitea x1",
        ),
        (
            "2026/11/28 03:03:31 routers/web/auth/auth.go:202:SignInPost() [I] Failed authentication attempt for alice from 203.0.113.9",
            "gitea: - 203.0.113.9 alice gitea x1",
        ),
        (
            "2026/11/28 03:03:31 routers/web/auth/auth.go:202:SignInPost() [I] Failed authentication attempt for a from 198.51.100.1:1 from 203.0.113.9:2: user does not exist [uid: 0, name: a from 198.51.100.1:1]",
            "gitea: - ? a from 198.51.100.1:1 gitea x1",
        ),
        (
            r#"[2026-11-28 03:03:31.123 +00:00] [INF] [32] Jellyfin.Server.Implementations.Users.UserManager: Authentication request for "alice" has been denied (IP: "203.0.113.9")."#,
            "jellyfin: - 203.0.113.9 alice jellyfin x1",
        ),
        (
            r#"[2026-11-28 03:03:31.123 +00:00] [INF] [32] Jellyfin.Server.Implementations.Users.UserManager: Authentication request for "x\" has been denied (IP: \"198.51.100.1\")." has been denied (IP: "203.0.113.9")."#,
            r#"jellyfin: - 203.0.113.9 x\" has been denied (IP: \"198.51.100.1\"). jellyfin x1"#,
        ),
        (
            r#"[2026-11-28 03:03:31.123 +00:00] [INF] [32] Jellyfin.Server.Implementations.Users.UserManager: Authentication request for "alice" has succeeded."#,
            "jellyfin: + ? alice jellyfin x1",
        ),
        (
            r#"t=2020-10-19T17:44:33+0200 lvl=eror msg="Invalid username or password" logger=context userId=0 orgId=0 uname= error="Invalid Username or Password" remote_addr=203.0.113.9"#,
            "grafana: - 203.0.113.9 ? grafana x1",
        ),
        (
            r#"logger=context userId=0 orgId=0 uname= t=2026-11-28T03:03:31.5Z level=info msg="Request Completed" method=POST path=/login status=401 remote_addr=203.0.113.9 time_ms=3 referer="http://a/ remote_addr=198.51.100.1""#,
            "grafana: - 203.0.113.9 ? grafana x1",
        ),
        (
            r#"{"reqId":"9S","level":2,"time":"2023-09-24T20:34:37+00:00","remoteAddr":"203.0.113.9","user":"--","app":"no app in context","method":"POST","url":"/login","message":"Login failed: Injection (Remote IP: 127.0.0.1) (Remote IP: 203.0.113.9)","userAgent":"x"}"#,
            "nextcloud: - 203.0.113.9 Injection (Remote IP: 127.0.0.1) nextcloud x1",
        ),
        (
            r#"{"reqId":"9S","level":2,"time":"2023-09-24T20:34:37+00:00","remoteAddr":"203.0.113.9","message":"File not found"}"#,
            "not understood",
        ),
    ]);
}

#[test]
fn databases_and_mail() {
    check(&[
        (
            r#"2026-11-28 03:03:31.123 UTC [77] FATAL:  password authentication failed for user "app""#,
            "postgresql: - ? app postgresql x1",
        ),
        (
            r#"2026-11-28 03:03:31.123 UTC [77] 203.0.113.9 app@db FATAL:  password authentication failed for user "app""#,
            "postgresql: - 203.0.113.9 app postgresql x1",
        ),
        (
            r#"2026-11-28 03:03:31.123 UTC [77] 203.0.113.9(51234) FATAL:  password authentication failed for user "app""#,
            "postgresql: - 203.0.113.9 app postgresql x1",
        ),
        (
            r#"2026-11-28 03:03:31.123 CET [77] client=203.0.113.9 FATAL:  password authentication failed for user "app""#,
            "postgresql: - 203.0.113.9 app postgresql x1",
        ),
        // A name or a database of the client's choice stands before: no address.
        (
            r#"2026-11-28 03:03:31.123 UTC [77] x 198.51.100.1 y@db FATAL:  password authentication failed for user "x 198.51.100.1 y""#,
            "postgresql: - ? x 198.51.100.1 y postgresql x1",
        ),
        (
            r#"2026-11-28 03:03:31.123 UTC [77] FATAL:  no pg_hba.conf entry for host "203.0.113.9", user "app", database "db", no encryption"#,
            "postgresql: - 203.0.113.9 app postgresql x1",
        ),
        (
            r#"2026-11-28 03:03:31.123 UTC [77] LOG:  checkpoint starting: time"#,
            "not understood",
        ),
        (
            "2026-11-28  3:03:31 12 [Warning] Access denied for user 'root'@'203.0.113.9' (using password: YES)",
            "mariadb: - 203.0.113.9 root mariadb x1",
        ),
        (
            "2026-11-28  3:03:31 12 [Warning] Access denied for user 'x'@'198.51.100.1' (using password: YES)'@'203.0.113.9' (using password: NO)",
            "mariadb: - 203.0.113.9 x'@'198.51.100.1' (using password: YES) mariadb x1",
        ),
        (
            "2026-11-28T03:03:31.123456Z 12 [Note] [MY-010926] [Server] Access denied for user 'root'@'localhost' (using password: NO)",
            "mariadb: - ? root mariadb x1",
        ),
        (
            "Nov 28 03:03:31 mail dovecot: imap-login: Disconnected (auth failed, 3 attempts in 12 secs): user=<bob>, method=PLAIN, rip=203.0.113.9, lip=192.0.2.2, TLS, session=<aBcD+x>",
            "dovecot: - 203.0.113.9 bob dovecot x3",
        ),
        (
            "Nov 28 03:03:31 mail dovecot: imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<x>, method=PLAIN, rip=198.51.100.1, lip=1>, method=PLAIN, rip=203.0.113.9, lip=192.0.2.2, session=<a>",
            "dovecot: - 203.0.113.9 x>, method=PLAIN, rip=198.51.100.1, lip=1 dovecot x1",
        ),
        (
            "Nov 28 03:03:31 mail dovecot: imap-login: Login: user=<bob>, method=PLAIN, rip=203.0.113.9, lip=192.0.2.2, mpid=7, TLS, session=<a>",
            "dovecot: + 203.0.113.9 bob dovecot x1",
        ),
        (
            "Nov 28 03:03:31 mail postfix/smtpd[9]: warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
            "postfix: - 203.0.113.9 ? postfix x1",
        ),
        (
            "Nov 28 03:03:31 mail postfix/submission/smtpd[9]: warning: h.example[203.0.113.9]: SASL PLAIN authentication failed: authentication failure, sasl_username=bob@example.org",
            "postfix: - 203.0.113.9 bob@example.org postfix x1",
        ),
        (
            "Feb  3 08:29:28 mail postfix/smtpd[9]: warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: Connection lost to authentication server",
            "postfix: nothing",
        ),
    ]);
}

#[test]
fn patterns_of_ones_own_go_first() {
    let own = Custom::new(
        "sharry",
        r"Authentication attempt failure for username (?P<user>.*) from ip (?P<address>\S+)$",
        false,
    )
    .unwrap();
    let line =
        "2026-11-28 03:03:31 Authentication attempt failure for username x from ip 203.0.113.9";
    let line = Line::of_file(line, &clock());
    let Some((form, Told::Attempt(seen))) = read(&line, &[own], &clock()) else {
        panic!("not understood");
    };
    assert_eq!(form, "sharry");
    assert_eq!(seen.address, "203.0.113.9".parse().ok());
    assert_eq!(seen.user.as_deref(), Some("x"));
    assert_eq!(
        Custom::new("x", "nothing", false).unwrap_err(),
        CustomError::Groups
    );
    assert!(matches!(
        Custom::new("x", "(", false),
        Err(CustomError::Pattern(_))
    ));
    let large = Custom::new("x", r"(?P<user>\w{500}){500}", false);
    assert!(matches!(large, Err(CustomError::Pattern(_))));
}

#[test]
fn where_one_signs_in() {
    for path in [
        "/login",
        "/api/auth/login?next=/x",
        "/user/login/",
        "/wp-login.php",
        "/Login.php",
        "/identity/connect/token",
    ] {
        assert!(web::is_sign_in(path), "{path}");
    }
    for path in [
        "/",
        "/loginimage.png",
        "/author",
        "/x?login",
        "/blog/log-of-auth",
    ] {
        assert!(!web::is_sign_in(path), "{path}");
    }
}
