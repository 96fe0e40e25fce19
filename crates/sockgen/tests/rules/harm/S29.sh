systemctl start web.socket || harm "the socket does not open"
