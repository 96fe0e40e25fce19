//! Closing and opening the port by hand, at the worst moment: while traffic that nobody can answer starts the activator again and again.

use e2e::shop::{Shop, URL};

#[test]
fn a_target_that_was_stopped_opens_its_sockets_again_while_clients_knock() {
    let shop = Shop::enabled();
    // Nothing is deployed: each of these waits in the queue, and the activator runs for 200 ms again and again.
    let knock =
        format!("for n in 1 2 3 4 5 6 7 8; do curl --silent --max-time 20 {URL} & done; wait");
    let mut clients = shop.sandbox.command("sh");
    let mut clients = clients.args(["-c", &knock]).spawn().expect("a shell");
    for round in 0..20 {
        shop.sandbox.run(["systemctl", "stop", "shop.target"]).ok();
        let start = shop.sandbox.run(["systemctl", "start", "shop.target"]);
        let socket = shop.sandbox.run(["systemctl", "is-active", "shop-http.socket"]);
        assert_eq!(socket.stdout.trim(), "active", "round {round}:\n{start}\n{socket}");
        shop.sandbox
            .run(["sh", "-c", &format!("curl --silent --max-time 0.05 {URL} || true")])
            .ok();
    }
    let _ = clients.kill();
    let _ = clients.wait();
}
