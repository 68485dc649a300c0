//! Whoever is told: a web server that notes what it gets, and answers as the test wishes; and a mail server.

use crate::rig::Machine;
use crate::watched::LIMIT;

/// Notes each POST as a line of JSON. `/srv/answer`: `200`, `500`, or `slow`.
const WEB: &str = r#"
import http.server, json, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('content-length', 0))).decode()
        answer = open('/srv/answer').read().strip()
        if answer == 'slow':
            time.sleep(3)
        if answer != '500':
            with open('/srv/got.jsonl', 'a') as got:
                line = {'path': self.path, 'key': self.headers.get('x-steadfast-key'), 'body': body}
                got.write(json.dumps(line) + '\n')
        try:
            self.send_response(500 if answer == '500' else 200)
            self.end_headers()
            self.wfile.write(b'no room\n' if answer == '500' else b'')
        except BrokenPipeError:
            pass
    def log_message(self, *what):
        pass

http.server.ThreadingHTTPServer(('127.0.0.1', 8099), Handler).serve_forever()
"#;

/// Notes each mail as a file.
const MAIL: &str = r#"
import asyncio, os, ssl
from aiosmtpd.controller import Controller

class Handler:
    async def handle_DATA(self, server, session, envelope):
        number = len(os.listdir('/srv/mails'))
        with open(f'/srv/mails/{number}', 'wb') as mail:
            mail.write(envelope.content)
        return '250 taken'

Controller(Handler(), hostname='127.0.0.1', port=25).start()
secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
secure.load_cert_chain('/srv/mail.pem', '/srv/mail.key')
Controller(Handler(), hostname='127.0.0.1', port=587, tls_context=secure, require_starttls=True).start()
Controller(Handler(), hostname='127.0.0.1', port=465, ssl_context=secure).start()
asyncio.new_event_loop().run_forever()
"#;

/// Starts the web server; it answers 200.
pub fn web(machine: &Machine) {
    machine.write("/srv/web.py", WEB);
    machine.write("/srv/answer", "200\n");
    machine.write(
        "/etc/systemd/system/receiver.service",
        "[Service]\nExecStart=/usr/bin/python3 /srv/web.py\nKillSignal=SIGKILL\n",
    );
    machine.sh("touch /srv/got.jsonl; systemctl daemon-reload; systemctl start receiver");
    machine.wait_until("the receiver listens", LIMIT, || {
        machine.try_sh("ss -ltn | grep -q 127.0.0.1:8099").ok()
    });
}

/// Starts the mail server: plain, with STARTTLS, and with TLS, by a certificate that the host trusts.
pub fn mail(machine: &Machine) {
    machine.write("/srv/mail.py", MAIL);
    machine.sh(
        "mkdir -p /srv/mails; cd /srv && openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout mail.key -out mail.pem 2>/dev/null \
         && cp mail.pem /usr/local/share/ca-certificates/mail.crt && update-ca-certificates >/dev/null 2>&1 \
         && systemd-run -q --unit postman python3 /srv/mail.py",
    );
    for port in [25, 587, 465] {
        let listens = format!("ss -ltn | grep -q '127.0.0.1:{port} '");
        machine.wait_until("the mail server listens", LIMIT, || machine.try_sh(&listens).ok());
    }
}
