//! What the drain costs a request in memory: nothing that is allocated.

mod support;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::servers;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const REQUESTS: usize = 2000;

/// Allocations for each request on a kept connection, the server's alone: this client makes none.
fn allocations(address: SocketAddr) -> f64 {
    let mut stream = TcpStream::connect(address).expect("connect");
    let mut buf = [0; 1024];
    let mut ask = || {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").expect("send");
        let n = stream.read(&mut buf).expect("read");
        assert!(buf[..n].ends_with(b"hello"), "one read brings it all");
    };
    // Buffers find their sizes first.
    (0..REQUESTS).for_each(|_| ask());
    let region = Region::new(GLOBAL);
    (0..REQUESTS).for_each(|_| ask());
    region.change().allocations as f64 / REQUESTS as f64
}

#[test]
fn no_allocation_is_added_to_a_request() {
    let bare = allocations(servers::bare());
    let ours = allocations(servers::ours());
    let stock = allocations(servers::stock());
    println!("allocations for a request: bare {bare}, sockact::serve {ours}, stock {stock}");
    assert!(ours <= bare + 0.01, "{ours} with sockact::serve, {bare} bare");
    assert!(stock <= bare + 0.01, "{stock} with stock axum and the drain, {bare} bare");
}
