//! A program that counts as started long before it listens: it is waited for, and a sick one is not.

use e2e::shop::{SWAP, Shop};

/// Takes a second and a half until it listens: four times what the manifest lets it miss.
const PROGRAM: &str = r#"#!/usr/bin/python3
import http.server, os, socket, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sick = os.path.exists("SICK")
        self.send_response(500 if sick else 200)
        self.end_headers()
        self.wfile.write(b"slow")

    def log_message(self, *args):
        pass

    def address_string(self):
        return ""

class Health(http.server.HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self):
        if os.path.exists(self.server_address):
            os.unlink(self.server_address)
        self.socket.bind(self.server_address)

time.sleep(1.5)
Health(os.environ["SOCKACT_HEALTH"], Handler).serve_forever()
"#;

const MANIFEST: &str = r#"
gate = false
[start]
ready = "exec"
timeout = "10s"
[health]
path = "/health"
interval = "30ms"
[health.at]
blue = "/var/lib/sockact-shop/blue.sock"
green = "/var/lib/sockact-shop/green.sock"
"#;

#[test]
fn it_is_waited_for_and_a_sick_one_is_not() {
    let shop = Shop::enabled_with(&format!("{MANIFEST}{SWAP}"));
    let release = |name: &str| {
        let home = format!("/srv/releases/{name}");
        shop.sandbox.install_file(&format!("{home}/bin/shop"), PROGRAM, 0o755);
        shop.sandbox.install_file(&format!("{home}/VERSION"), name, 0o644);
        home
    };
    let live = || shop.status()["live"].as_str().expect("a live slot").to_owned();
    shop.deploy(&release("v1")).ok();
    assert_eq!(live(), "blue");
    shop.deploy(&release("v2")).ok();
    assert_eq!(live(), "green");

    let sick = release("v3");
    shop.sandbox.install_file(&format!("{sick}/SICK"), "", 0o644);
    let deploy = shop.deploy(&sick).exits(3);
    assert!(deploy.stderr.contains("is unhealthy"), "{deploy}");
    assert_eq!(live(), "green");
}
