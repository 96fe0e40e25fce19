#!/usr/bin/env node
// What users ask is answered here; sockact.toml says how it is deployed.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');

// Which release this is: the build writes the file. One without it is not whole, and is not well.
const version = fs.existsSync('VERSION') ? fs.readFileSync('VERSION', 'utf8').trim() : '';
let draining = false;

function answer(request, response) {
  if (draining) response.setHeader('Connection', 'close');
  if (request.url === '/health' && !version) {
    response.statusCode = 503;
    response.end('this release has no file VERSION');
  } else {
    response.end(version || 'unknown');
  }
}

// sd_listen_fds(3): with one listener its descriptor is 3.
const server = http.createServer(answer);
server.listen({ fd: 3 });

// An address of this slot alone, where each deploy asks for its health.
const health = http.createServer(answer);
fs.rmSync(process.env.SOCKACT_HEALTH, { force: true });
health.listen(process.env.SOCKACT_HEALTH);

process.on('SIGTERM', () => {
  draining = true;
  health.close();
  // The close() of http would cut idle connections at once, also one whose next request is on its way.
  // So only accept nobody any more, and let each client make that request: its answer says that it was the last.
  net.Server.prototype.close.call(server);
  setTimeout(() => server.closeIdleConnections(), 1000);
  // The end of swap.drain: what is left is cut.
  setTimeout(() => server.closeAllConnections(), process.env.SOCKACT_DRAIN_USEC / 1000).unref();
});
