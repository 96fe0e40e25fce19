#!/usr/bin/env node
// What users ask is answered here, at an address that this program opens itself: HOST and PORT say which, another one in each slot.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');

// Which release this is: the build writes the file. One without it is not whole, and is not well.
const version = fs.existsSync('VERSION') ? fs.readFileSync('VERSION', 'utf8').trim() : '';
let draining = false;

const server = http.createServer((request, response) => {
  if (draining) response.setHeader('Connection', 'close');
  if (request.url === '/health' && !version) {
    response.statusCode = 503;
    response.end('this release has no file VERSION');
  } else {
    response.end(version || 'unknown');
  }
});
// Connections wait here, too: the proxy before this program waits for none of them.
server.listen({ host: process.env.HOST, port: Number(process.env.PORT), backlog: 4096 });

process.on('SIGTERM', () => {
  draining = true;
  // The close() of http would cut idle connections at once, also one whose next request is on its way.
  // So only accept nobody any more, and let each client make that request: its answer says that it was the last.
  net.Server.prototype.close.call(server);
  setTimeout(() => server.closeIdleConnections(), 1000);
  // The end of swap.drain: what is left is cut.
  setTimeout(() => server.closeAllConnections(), process.env.SOCKACT_DRAIN_USEC / 1000).unref();
});
