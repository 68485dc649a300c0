//! A mail, against a small server that speaks SMTP.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// What the server says of itself, and what it says to a recipient and to a login.
#[derive(Clone, Copy)]
struct Manners {
    extensions: &'static [&'static str],
    login: &'static str,
    recipient: &'static str,
}

const FRIENDLY: Manners =
    Manners { extensions: &["8BITMIME", "AUTH PLAIN"], login: "235 welcome", recipient: "250 ok" };

/// One conversation; its end is the lines that the client said.
async fn server(manners: Manners) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a client");
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let mut said = Vec::new();
        let mut in_data = false;
        write.write_all(b"220 mail.example.org ESMTP\r\n").await.expect("greeted");
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                "." if in_data => {
                    in_data = false;
                    "250 queued".to_owned()
                }
                _ if in_data => String::new(),
                "EHLO" => {
                    let extensions: String =
                        manners.extensions.iter().map(|name| format!("250-{name}\r\n")).collect();
                    format!("250-mail.example.org\r\n{extensions}250 SIZE 1000000")
                }
                "AUTH" => manners.login.to_owned(),
                "RCPT" => manners.recipient.to_owned(),
                "DATA" => {
                    in_data = true;
                    "354 go on".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "250 ok".to_owned(),
            };
            said.push(line);
            if !answer.is_empty() && write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                break;
            }
        }
        said
    });
    (port, task)
}

fn smtp(port: u16, encryption: &str, login: Option<Secret>) -> SinkSpec {
    let user = if login.is_some() { "user = \"alerts\"\n" } else { "" };
    let keys = format!(
        "host = \"127.0.0.1\"\nport = {port}\nencryption = \"{encryption}\"\n\
         from = \"Steadfast <steadfast@example.org>\"\nto = [\"one@example.org\", \"Two <two@example.org>\"]\n\
         {user}{}",
        password(login.as_ref())
    );
    sink("smtp", &keys)
}

/// The value of a header, unfolded.
fn header(said: &[String], name: &str) -> String {
    let start = format!("{name}: ");
    let mut lines = said.iter().skip_while(|line| !line.starts_with(&start));
    let mut value = lines.next().unwrap_or_else(|| panic!("no {name}: {said:?}"))[start.len()..].to_owned();
    lines.take_while(|line| line.starts_with(' ')).for_each(|line| value.push_str(line));
    value
}

#[tokio::test]
async fn firing_and_resolved_are_mails_of_one_thread() {
    let mut mails = Vec::new();
    for told in [firing(), Message { id: 8, ..resolved() }] {
        let (port, server) = server(FRIENDLY).await;
        assert_eq!(deliver(&smtp(port, "none", None), &told).await, Ok(()));
        mails.push(server.await.expect("said"));
    }
    let [first, second] = mails.as_slice() else { panic!("{mails:?}") };
    assert!(first.contains(&"EHLO web1".to_owned()), "{first:?}");
    assert!(first.iter().any(|line| line.starts_with("MAIL FROM:<steadfast@example.org>")), "{first:?}");
    for to in ["RCPT TO:<one@example.org>", "RCPT TO:<two@example.org>", "."] {
        assert!(first.contains(&to.to_owned()), "{to}: {first:?}");
    }
    let thread = "<web1_2fhorizon.service_2317.steadfast@web1>";
    assert_eq!(header(first, "Message-ID"), "<web1_2fhorizon.service_2317.7.steadfast@web1>");
    assert_eq!(header(second, "Message-ID"), "<web1_2fhorizon.service_2317.8.steadfast@web1>");
    for mail in [first, second] {
        assert_eq!(
            (header(mail, "In-Reply-To"), header(mail, "References")),
            (thread.to_owned(), thread.to_owned())
        );
        assert_eq!(header(mail, "Auto-Submitted"), "auto-generated");
    }
    assert_eq!(
        header(second, "Subject"),
        "[resolved] web1 horizon.service: over after 4 min (release-outdated)"
    );
    assert!(first.contains(&"Acknowledge: steadfast ack 17".to_owned()), "{first:?}");
    assert_eq!(first.last().map(String::as_str), Some("QUIT"));
}

#[tokio::test]
async fn a_relay_that_refuses_is_quoted() {
    let (port, server) = server(Manners { recipient: "550 no such\r\n", ..FRIENDLY }).await;
    let why = deliver(&smtp(port, "none", None), &firing()).await;
    assert_eq!(why, Err(format!("127.0.0.1:{port}: it answered 550, \"no such\"")));
    server.abort();
}

#[tokio::test]
async fn a_password_is_sent_and_never_shown() {
    let (_directory, password) = secret("s3cret");
    let (port, server) = server(FRIENDLY).await;
    let sent = deliver(&smtp(port, "none", Some(password.clone())), &firing()).await;
    assert_eq!(sent, Ok(()));
    let said = server.await.expect("said");
    assert!(said.contains(&"AUTH PLAIN AGFsZXJ0cwBzM2NyZXQ=".to_owned()), "{said:?}");

    let echoing = Manners { login: "535 not AGFsZXJ0cwBzM2NyZXQ=, s3cret", ..FRIENDLY };
    let (port, server) = self::server(echoing).await;
    let why = deliver(&smtp(port, "none", Some(password.clone())), &firing()).await;
    assert_eq!(why, Err(format!("127.0.0.1:{port}: it refuses the user alerts or the password (535)")));
    server.abort();

    let (port, server) = self::server(Manners { extensions: &[], ..FRIENDLY }).await;
    let why = deliver(&smtp(port, "none", Some(password)), &firing()).await;
    assert_eq!(why, Err(format!("127.0.0.1:{port}: it offers no login with a password")));
    server.abort();
}

#[tokio::test]
async fn without_starttls_nothing_is_sent() {
    let (_directory, password) = secret("s3cret");
    let (port, server) = server(FRIENDLY).await;
    let why = deliver(&smtp(port, "starttls", Some(password)), &firing()).await;
    let told = format!("127.0.0.1:{port}: it does not offer STARTTLS, and nothing is sent without");
    assert_eq!(why, Err(told));
    assert_eq!(server.await.expect("said"), ["EHLO web1", "QUIT"]);
}

#[tokio::test]
async fn a_server_that_never_ends_its_line_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    });
    let why = deliver(&smtp(port, "none", None), &firing()).await;
    assert_eq!(why, Err(format!("127.0.0.1:{port}: it says more than 256 KiB")));
    server.await.expect("it ends with the connection");
}

#[tokio::test]
async fn who_speaks_no_tls_is_told() {
    let (port, server) = server(FRIENDLY).await;
    let why = deliver(&smtp(port, "tls", None), &firing()).await.expect_err("no TLS");
    assert!(why.contains("TLS failed"), "{why}");
    server.abort();
}
