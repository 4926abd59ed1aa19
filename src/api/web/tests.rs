//! Tokens and sessions in real folders.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use ecg_chain::WallUs;

use super::folder::named;
use super::record::{Kind, Record};
use super::secret::Secret;
use super::sessions::{AGE_LIMIT, IDLE_LIMIT, MOST_OF_TOKEN, Sessions};
use super::tokens::{ADDRESS, ADDRESS_LIFE_SECONDS, SESSION, Shown, TOKEN};
use super::*;
use crate::api::body::MOST_BODY_BYTES;
use crate::api::browser::TokenName;

const DAY_US: i64 = 86_400_000_000;

fn name(text: &str) -> TokenName {
    TokenName::new(text).unwrap()
}

fn tokens(folder: &Path) -> WebTokens {
    WebTokens::at(folder.join("web-tokens"))
}

fn listed(tokens: &WebTokens) -> (Vec<String>, Vec<String>) {
    let mut warned = Vec::new();
    let list = tokens.list(|error| warned.push(error.to_string())).unwrap();
    let list = list.iter().map(|token| {
        let permission = if token.control { "control" } else { "read" };
        format!("{} {permission} {}", token.name, token.sessions)
    });
    (list.collect(), warned)
}

fn files(tokens: &WebTokens, ending: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(tokens.path()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_str().unwrap().ends_with(ending))
        .collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn age(path: &Path, age: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// Without a password nginx would take the user's name from what the browser sends.
#[test]
fn the_examples_of_proxies_name_nobody_by_themselves() {
    let nginx = include_str!("../../../packaging/web/nginx.conf");
    let caddy = include_str!("../../../packaging/web/Caddyfile");
    let said = |text: &'static str| -> Vec<&str> {
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| !line.starts_with('#') && line.contains("Remote-User"))
            .collect()
    };
    assert_eq!(said(nginx), [r#"proxy_set_header X-Remote-User "";"#]);
    assert_eq!(said(caddy), ["header_up -X-Remote-User"]);
    let most = MOST_BODY_BYTES / 1_024;
    assert!(nginx.contains(&format!("client_max_body_size {most}k;")));
    assert!(caddy.contains(&format!("max_size {most}KiB")));
}

#[test]
fn the_document_has_the_numbers_of_the_code() {
    let page = include_str!("../../../docs/web.md").replace('\n', " ");
    let hours = IDLE_LIMIT.as_secs() / 3_600;
    let days = AGE_LIMIT.as_secs() / 86_400;
    for words in [
        format!("is not used for {hours} h"),
        format!("or for {days} days"),
        format!("once, within {} minutes", ADDRESS_LIFE_SECONDS / 60),
        format!("One token may have {MOST_OF_TOKEN} sessions"),
        format!("At most {MOST_TOKENS} tokens"),
        format!("at most {MOST_BODY_BYTES} bytes"),
        format!("at most {MOST_STRANGERS} connections of browsers"),
        format!("on 127.0.0.1:{DEFAULT_PORT}, or on another port"),
        format!(
            "a request has {} KiB",
            crate::api::head::MOST_HEAD_BYTES / 1_024
        ),
    ] {
        assert!(page.contains(&words), "{words}");
    }
}

#[test]
fn names_are_short_and_plain() {
    let long = "a".repeat(64);
    for good in ["a", "night-shift", "7", "-", &long] {
        assert_eq!(name(good).as_str(), good);
    }
    for bad in [
        "",
        "A",
        "a b",
        "a/b",
        "..",
        "a\0",
        "\u{e9}",
        &format!("{long}a"),
        "a_b",
        "a.token",
    ] {
        assert_eq!(TokenName::new(bad), None, "{bad:?}");
    }
}

#[test]
fn tokens_are_made_listed_and_revoked_and_no_secret_lies_on_the_disk() {
    let home = tempfile::tempdir().unwrap();
    let tokens = tokens(home.path());
    assert_eq!(listed(&tokens), (vec![], vec![]));
    assert!(matches!(
        tokens.revoke(name("a")),
        Err(TokensError::Unknown(_))
    ));
    assert!(matches!(
        tokens.single_use(name("a")),
        Err(TokensError::Unknown(_))
    ));
    tokens.create(name("ward"), false).unwrap();
    tokens.create(name("desk"), true).unwrap();
    assert!(matches!(
        tokens.create(name("desk"), false),
        Err(TokensError::Exists(_))
    ));
    assert_eq!(listed(&tokens).0, ["desk control 0", "ward read 0"]);
    assert_eq!(mode(tokens.path()), 0o700);
    let secret = tokens.single_use(name("ward")).unwrap();
    let sessions = Sessions::open(tokens.clone()).unwrap();
    let (cookie, token) = sessions.begin(&secret).unwrap().unwrap();
    assert_eq!((token.name, token.control), (name("ward"), false));
    let unused = tokens.single_use(name("ward")).unwrap();
    assert_eq!(listed(&tokens).0, ["desk control 0", "ward read 1"]);
    for path in files(&tokens, "") {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let text = fs::read_to_string(&path).unwrap() + path.to_str().unwrap();
        for secret in [&secret, cookie.text(), &unused] {
            assert!(!text.contains(secret), "{}", path.display());
        }
    }
    tokens.revoke(name("ward")).unwrap();
    assert_eq!(tokens.use_up(&unused).unwrap(), Shown::NotValid);
    assert_eq!(files(&tokens, "").len(), 1);
    // also a token that is made anew does not bring its sessions back
    tokens.create(name("ward"), true).unwrap();
    sessions.look();
    assert!(sessions.find(&cookie).is_none());
}

#[test]
fn one_of_many_at_once_gets_in_with_an_address() {
    let home = tempfile::tempdir().unwrap();
    let tokens = tokens(home.path());
    tokens.create(name("a"), false).unwrap();
    for _ in 0..8 {
        let secret = tokens.single_use(name("a")).unwrap();
        // two daemons, each with threads of its own
        let daemons = [tokens.clone(), WebTokens::at(tokens.path())];
        let start = Barrier::new(16);
        let good = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|k| {
                    let (daemon, start, secret) = (&daemons[k % 2], &start, &secret);
                    scope.spawn(move || {
                        start.wait();
                        matches!(daemon.use_up(secret).unwrap(), Shown::Good(_))
                    })
                })
                .collect();
            threads
                .into_iter()
                .filter_map(|it| it.join().ok().filter(|good| *good))
                .count()
        });
        assert_eq!(good, 1);
    }
    assert!(files(&tokens, ADDRESS).is_empty());
}

#[test]
fn addresses_expire_and_wrong_ones_are_nothing() {
    let home = tempfile::tempdir().unwrap();
    let tokens = tokens(home.path());
    tokens.create(name("a"), false).unwrap();
    let id = tokens.list(|_| ()).unwrap()[0].id.clone();
    let life_us = i64::try_from(ADDRESS_LIFE_SECONDS).unwrap() * 1_000_000;
    for (age_us, id, good) in [
        (0, &*id, true),
        (life_us - 10_000_000, &*id, true),
        (life_us + 1, &*id, false),
        // the clock was set back since: nobody knows how old it is
        (-60_000_000, &*id, false),
        (0, "00000000000000000000000000000000", false),
    ] {
        let secret = Secret::new().unwrap();
        let record = Record {
            kind: Kind::Address { token: name("a") },
            id: id.to_owned(),
            made_us: WallUs::now().0 - age_us,
        };
        let path = tokens.path().join(named(secret.hash().text(), ADDRESS));
        fs::write(&path, record.text()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let shown = tokens.use_up(secret.text()).unwrap();
        assert_eq!(matches!(shown, Shown::Good(_)), good, "{age_us} {id}");
        assert!(!path.exists(), "used up in any case");
    }
    for wrong in ["", "x", &"0".repeat(64), &"0".repeat(1 << 20), "../a.token"] {
        assert_eq!(tokens.use_up(wrong).unwrap(), Shown::NotValid);
    }
}

#[test]
fn folders_and_files_that_others_may_touch_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let tokens = tokens(home.path());
    tokens.create(name("good"), false).unwrap();
    tokens.create(name("wide"), true).unwrap();
    let wide = tokens.path().join(named("wide", TOKEN));
    for bits in [0o640, 0o604, 0o620, 0o602, 0o666] {
        fs::set_permissions(&wide, Permissions::from_mode(bits)).unwrap();
        let (list, warned) = listed(&tokens);
        assert_eq!(list, ["good read 0"]);
        assert!(
            warned[0].contains(&format!("its mode 0{bits:o} lets others in")),
            "{warned:?}"
        );
        assert!(warned[0].contains("chmod 0600"), "{warned:?}");
        let error = tokens.single_use(name("wide")).unwrap_err().to_string();
        assert!(error.contains("lets others in"), "{error}");
    }
    fs::remove_file(&wide).unwrap();
    std::os::unix::fs::symlink(tokens.path().join(named("good", TOKEN)), &wide).unwrap();
    assert_eq!(listed(&tokens).0, ["good read 0"]);
    fs::remove_file(&wide).unwrap();
    fs::write(&wide, vec![b'x'; 4_096]).unwrap();
    fs::set_permissions(&wide, Permissions::from_mode(0o600)).unwrap();
    assert!(listed(&tokens).1[0].contains("too long"));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&wide, Some(64_001), None).unwrap();
        let warned = listed(&tokens).1;
        assert!(
            warned[0].contains("it belongs to user 64001, expected 0"),
            "{warned:?}"
        );
    }
    let sessions = Sessions::open(tokens.clone()).unwrap();
    let (cookie, _) = sessions
        .begin(&tokens.single_use(name("good")).unwrap())
        .unwrap()
        .unwrap();
    assert!(sessions.find(&cookie).is_some());
    fs::set_permissions(tokens.path(), Permissions::from_mode(0o750)).unwrap();
    for error in [
        tokens.list(|_| ()).unwrap_err(),
        tokens.create(name("new"), true).unwrap_err(),
        Sessions::open(tokens.clone()).unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(
            error.contains("its mode 0750 lets others in, expected 0700"),
            "{error}"
        );
    }
    // a folder that others may read lets nobody in any more
    sessions.look();
    assert!(sessions.find(&cookie).is_none());
}

/// What root makes in the daemon's folder is the daemon's.
#[test]
fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    use std::os::unix::fs::{MetadataExt, chown};
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    chown(home.path(), Some(64_001), Some(64_002)).unwrap();
    let tokens = tokens(home.path());
    tokens.create(name("a"), true).unwrap();
    tokens.single_use(name("a")).unwrap();
    for path in files(&tokens, "")
        .iter()
        .map(|path| &**path)
        .chain([tokens.path()])
    {
        let owner = fs::metadata(path).unwrap();
        assert_eq!(
            (owner.uid(), owner.gid()),
            (64_001, 64_002),
            "{}",
            path.display()
        );
    }
    // and a daemon that is root does not take what somebody else may write for its own
    let error = Sessions::open(tokens).unwrap_err().to_string();
    assert!(
        error.contains("it belongs to user 64001, expected 0"),
        "{error}"
    );
}

#[test]
fn sessions_outlast_the_daemon_but_not_their_limits() {
    let home = tempfile::tempdir().unwrap();
    let tokens = tokens(home.path());
    tokens.create(name("a"), true).unwrap();
    let begin = || {
        let sessions = Sessions::open(tokens.clone()).unwrap();
        let secret = tokens.single_use(name("a")).unwrap();
        let (cookie, _) = sessions.begin(&secret).unwrap().unwrap();
        let file = tokens.path().join(named(cookie.hash().text(), SESSION));
        (cookie, file)
    };
    let finds = |cookie: &Secret| {
        Sessions::open(tokens.clone())
            .unwrap()
            .find(cookie)
            .is_some()
    };
    let (cookie, file) = begin();
    assert!(finds(&cookie) && finds(&cookie));
    age(&file, IDLE_LIMIT - Duration::from_secs(60));
    assert!(finds(&cookie));
    age(&file, IDLE_LIMIT + Duration::from_secs(1));
    assert!(!finds(&cookie) && !file.exists());
    for (days, good) in [(29, true), (31, false), (-1, true)] {
        let (cookie, file) = begin();
        let mut record = Record::parse(&fs::read(&file).unwrap()).unwrap();
        record.made_us -= days * DAY_US;
        fs::write(&file, record.text()).unwrap();
        assert_eq!(finds(&cookie), good, "{days} days");
    }
    assert_eq!(AGE_LIMIT.as_secs(), 30 * 86_400);
    // somebody else's secret, and a damaged file
    let (cookie, file) = begin();
    assert!(!finds(&Secret::new().unwrap()));
    fs::write(&file, "ecg-gateway-web-session 1\n").unwrap();
    assert!(!finds(&cookie));
}

#[test]
fn one_token_does_not_fill_the_disk_with_sessions() {
    let home = tempfile::tempdir().unwrap();
    let tokens = tokens(home.path());
    tokens.create(name("a"), false).unwrap();
    let sessions = Sessions::open(tokens.clone()).unwrap();
    let cookies: Vec<_> = (0..40)
        .map(|_| {
            let secret = tokens.single_use(name("a")).unwrap();
            sessions.begin(&secret).unwrap().unwrap().0
        })
        .collect();
    assert_eq!(files(&tokens, SESSION).len(), 32);
    assert!(sessions.find(&cookies[0]).is_none() && sessions.find(&cookies[39]).is_some());
}
